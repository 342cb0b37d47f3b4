"""What an evaluated clock says of a graph."""

from __future__ import annotations

from moec.arrays import Array
from moec.backends.base import Timing
from moec.backends.fast.schedule import Clock
from moec.compiler.ir.graph import Graph


def timing(graph: Graph, clock: Clock) -> Timing:
    """When ranks finish, and what of it no compute covers."""
    finish: Array = clock.lanes[0]
    for part in [*clock.lanes[1:], *clock.streams.values()]:
        finish = finish.clip(min=part)
    makespan = finish.max(axis=-1)
    return Timing(makespan, finish, makespan - clock.busy.max(axis=-1), tuple(clock.ops))
