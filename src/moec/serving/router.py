"""Which queue takes an arriving request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Protocol

from moec.dsl.schema import Router

ENTRY_POINTS = "moec.routers"

ROUTERS: dict[str, str] = {
    "LeastLoaded": "moec.serving.router:least_loaded",
    "RoundRobinRouter": "moec.serving.router:round_robin",
}
"""Class name of the `serving.router` value -> `module:factory`."""


class Choose(Protocol):
    """Picks a queue at every arrival; it may keep state between calls."""

    def __call__(self, waiting: Sequence[int], running: Sequence[int]) -> int:
        """The queue for the next request. Queue = instance · dp + dp_rank; the sequences hold its requests now."""
        ...


RouterFactory = Callable[[Router], Choose]


@dataclass(slots=True)
class _Turns:
    queue: int = -1

    def __call__(self, waiting: Sequence[int], running: Sequence[int]) -> int:
        self.queue = (self.queue + 1) % len(waiting)
        return self.queue


def round_robin(router: Router) -> Choose:
    """Each queue in turn."""
    return _Turns()


def least_loaded(router: Router) -> Choose:
    """The smallest 4 · waiting + running, the first of equals (vLLM's `DPLBAsyncMPClient`, here without its delay)."""
    return _smallest_score


def _smallest_score(waiting: Sequence[int], running: Sequence[int]) -> int:
    best, chosen = -1, 0
    for queue, (queued, active) in enumerate(zip(waiting, running, strict=True)):
        score = 4 * queued + active
        if score < best or best < 0:
            best, chosen = score, queue
    return chosen


def router_of(router: Router) -> Choose:
    """The chooser for a `serving.router` value: a literal path, else the entry-point group `moec.routers`."""
    name = type(router).__name__
    factory: RouterFactory
    if name in ROUTERS:
        module, _, attribute = ROUTERS[name].partition(":")
        factory = getattr(import_module(module), attribute)
    else:
        (entry,) = entry_points(group=ENTRY_POINTS, name=name)
        factory = entry.load()
    return factory(router)
