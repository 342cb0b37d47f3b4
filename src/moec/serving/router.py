"""Which queue takes an arriving request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Protocol

from moec.dsl.schema import Experiment, surface_name
from moec.registry import GROUPS, ROUTERS, guarded, maker, wrong


class Choose(Protocol):
    """Picks a queue at every arrival; it may keep state between calls."""

    def __call__(self, waiting: Sequence[int], running: Sequence[int]) -> int:
        """The queue for the next request. Queue = instance · dp + dp_rank; the sequences hold its requests now."""
        ...


@dataclass(slots=True)
class _Turns:
    queue: int = -1

    def __call__(self, waiting: Sequence[int], running: Sequence[int]) -> int:
        self.queue = (self.queue + 1) % len(waiting)
        return self.queue


def round_robin(_experiment: Experiment) -> Choose:
    """Each queue in turn."""
    return _Turns()


def least_loaded(_experiment: Experiment) -> Choose:
    """The smallest 4 · waiting + running, the first of equals (vLLM's `DPLBAsyncMPClient`, here without its delay)."""
    return _smallest_score


def _smallest_score(waiting: Sequence[int], running: Sequence[int]) -> int:
    best, chosen = -1, 0
    for queue, (queued, active) in enumerate(zip(waiting, running, strict=True)):
        score = 4 * queued + active
        if score < best or best < 0:
            best, chosen = score, queue
    return chosen


def router_of(experiment: Experiment) -> Choose:
    """The chooser that `serving.router` names, ours or an installed package's."""
    name = surface_name(type(experiment.serving.router))
    made: Choose = maker(ROUTERS, name)(experiment)
    return made if name in GROUPS[ROUTERS].built_in else _Checked(made, name)


class _Checked:
    """A router of another package, its choices looked at."""

    def __init__(self, choose: Choose, name: str) -> None:
        if not callable(choose):
            raise wrong(ROUTERS, name, f"gave {type(choose).__name__}, which cannot be called")
        self._choose, self._name = guarded(ROUTERS, name, choose), name

    def __call__(self, waiting: Sequence[int], running: Sequence[int]) -> int:
        chosen = self._choose(waiting, running)
        if not isinstance(chosen, Integral) or not 0 <= int(chosen) < len(waiting):
            raise wrong(ROUTERS, self._name, f"chose queue {chosen!r} of {len(waiting)}")
        return int(chosen)
