"""What the loop asks of an instance."""

from __future__ import annotations

from typing import Protocol


class Instance(Protocol):
    """One running engine: its ranks, their queues and the iterations under way."""

    @property
    def swapped(self) -> int:
        """Preemptions so far whose blocks went to host memory."""
        ...

    def arrive(self, request: int, rank: int, now: int) -> None:
        """The router gave the request to attention-DP rank `rank`."""
        ...

    def start(self, now: int, token: int, horizon: int | None) -> None:
        """Start an iteration if there is anything to run, as posted under `token`.

        `horizon`: when the next request is known to arrive.
        """
        ...

    def end(self, now: int, token: int) -> int:
        """End the iteration posted under `token`; returns how many requests it finished."""
        ...
