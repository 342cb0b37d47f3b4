"""Something that happens at a time."""

from __future__ import annotations


class Event:
    """It can be to come once at a time: at `time`, in a row of others with `after` next."""

    __slots__ = ("after", "time")

    after: Event | None
    time: int

    def happen(self) -> None:
        """What it does."""
        raise NotImplementedError
