"""Which queue takes an arriving request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from moec.dsl.schema import Experiment, surface_name
from moec.registry import GROUPS, ROUTERS, guarded, maker, wrong
from moec.serving.queues import Queues, Target


class Choose(Protocol):
    """Picks a queue at every arrival; it may keep state between calls."""

    def __call__(self, queues: Queues) -> Target:
        """Where the next request goes: one of `queues.targets`."""
        ...


@dataclass(slots=True)
class _Turns:
    queue: int = -1

    def __call__(self, queues: Queues) -> Target:
        self.queue = (self.queue + 1) % len(queues.targets)
        return queues.targets[self.queue]


def round_robin(_experiment: Experiment) -> Choose:
    """Each queue in turn."""
    return _Turns()


def least_loaded(_experiment: Experiment) -> Choose:
    """The smallest 4 · waiting + running, the first of equals (vLLM's `DPLBAsyncMPClient`, here without its delay)."""
    return _smallest_score


def _smallest_score(queues: Queues) -> Target:
    best, chosen = -1, 0
    for queue, (waiting, running) in enumerate(zip(queues.waiting, queues.running, strict=True)):
        score = 4 * waiting + running
        if score < best or best < 0:
            best, chosen = score, queue
    return queues.targets[chosen]


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

    def __call__(self, queues: Queues) -> Target:
        chosen = self._choose(queues)
        if not isinstance(chosen, Target) or chosen not in queues.targets:
            raise wrong(ROUTERS, self._name, f"chose {chosen!r}, which is none of the {len(queues.targets)} targets")
        return chosen
