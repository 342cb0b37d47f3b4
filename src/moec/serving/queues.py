"""The queues of a run as a router sees them, and where it may send a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Target(NamedTuple):
    """Where a request goes: an instance, and one of its attention-DP ranks."""

    instance: int
    rank: int


@dataclass(frozen=True, slots=True)
class Queues:
    """One queue per attention-DP rank, those of an instance next to each other.

    `targets[i]`: whose queue it is; `waiting[i]` and `running[i]`: its requests at this moment. `firsts`: the first queue of
    each instance.
    """

    targets: tuple[Target, ...]
    waiting: list[int]
    running: list[int]
    firsts: tuple[int, ...]


def queues_of(ranks: Sequence[int]) -> Queues:
    """Empty queues of instances with `ranks` attention-DP ranks each."""
    targets = tuple(Target(instance, rank) for instance, count in enumerate(ranks) for rank in range(count))
    firsts = tuple(sum(ranks[:instance]) for instance in range(len(ranks)))
    return Queues(targets, [0] * len(targets), [0] * len(targets), firsts)
