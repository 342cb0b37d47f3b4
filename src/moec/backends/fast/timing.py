"""From the state after the last block to a graph's timing."""

from __future__ import annotations

from moec.arrays import Array
from moec.backends.base import Timing
from moec.backends.fast.schedule import Frontier
from moec.compiler.ir.graph import Graph


def timing(graph: Graph, frontier: Frontier) -> Timing:
    """When each rank finishes, `[…, world]`, and how much of the makespan `[…]` no compute of the busiest rank covers."""
    finish: Array = frontier.lanes[0]
    for part in [*frontier.lanes[1:], *frontier.streams.values()]:
        finish = finish.clip(min=part)
    makespan = finish.max(axis=-1)
    return Timing(makespan, finish, makespan - frontier.busy.max(axis=-1), tuple(frontier.ops))
