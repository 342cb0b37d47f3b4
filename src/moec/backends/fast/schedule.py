"""Max-plus evaluation: when every op starts and ends, given how long each takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from moec.backends.base import OpTiming
from moec.compiler.graph import AllToAll, Block, Collective, Compute, Graph, Op, SendRecv, Stream
from moec.compiler.kernels import Array

STREAMS: tuple[Stream, ...] = ("compute", "comm", "memory")


@dataclass(slots=True)
class Clock:
    """When each rank's streams are free and each lane of it has left the last block: `[…, world]` per key."""

    streams: dict[Stream, Array]
    lanes: list[Array]
    busy: Array
    ops: list[OpTiming] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """Op `op` of block `block` of `graph` in one `repeat`, and its `time` `[…, ranks]` or `[…, subsets]`."""

    graph: Graph
    block: int
    op: int
    repeat: int
    time: Array


Place = Callable[[Spot, Collective | AllToAll, Array], tuple[Array, Array]]
"""From when each rank of the block is ready for an exchange to when it starts and ends there, all `[…, ranks]`."""


def evaluate(graph: Graph, times: Sequence[Sequence[Array]], *, detail: bool, place: Place | None = None) -> Clock:
    """Run all blocks; `times` as made by `durations`. With `detail`, keep every op's start and end.

    `place` decides when an exchange starts and ends on each rank; by default `together`.
    """
    lead = np.broadcast_shapes(*(t.shape[:-2] for block in times for t in block))
    zero = np.zeros((*lead, graph.world), dtype=np.int64)
    clock = Clock({s: zero.copy() for s in STREAMS}, [zero.copy() for _ in range(graph.lanes)], zero.copy())
    for number, (block, spans) in enumerate(zip(graph.blocks, times, strict=True)):
        _run_block(graph, number, block, spans, clock, detail, place or together)
    return clock


def _run_block(
    graph: Graph, number: int, block: Block, times: Sequence[Array], clock: Clock, detail: bool, place: Place
) -> None:
    where = slice(block.first_rank, block.first_rank + block.ranks)
    same = all(t.shape[-2] == 1 for t in times)
    shown: list[list[tuple[Array, Array]]] = []
    before = _state(block, clock, where)
    done = 0
    while done < block.repeat:
        at = [Spot(graph, number, i, done, t) for i, t in enumerate(_layer(t, done) for t in times)]
        shown.append(_run_once(block, at, clock, where, place))
        done += 1
        after = _state(block, clock, where)
        step = after - before
        if same and done < block.repeat and _steady(graph, block, step):
            _leap(block, clock, where, step[0], block.repeat - done)
            break
        before = after
    _busy(block, times, clock, where)
    if detail:
        for i in range(len(block.ops)):
            start, end = (np.stack([rep[i][k] for rep in shown], axis=-2) for k in (0, 1))
            clock.ops.append(OpTiming(number, i, start, end))


def _layer(times: Array, repeat: int) -> Array:
    return times[..., repeat if times.shape[-2] > 1 else 0, :]


def _run_once(block: Block, spots: list[Spot], clock: Clock, where: slice, place: Place) -> list[tuple[Array, Array]]:
    """One repeat; returns start and end of every op, `[…, ranks]`."""
    spans: list[tuple[Array, Array]] = []
    entry = [lane[..., where] for lane in clock.lanes]
    for op, spot in zip(block.ops, spots, strict=True):
        start = clock.streams[op.stream][..., where]
        for d in op.deps:
            start = np.maximum(start, spans[d][1])
        for lane in op.enters:
            start = np.maximum(start, entry[lane])
        if isinstance(op.work, Collective | AllToAll):
            start, end = place(spot, op.work, start)
        else:
            end = start + spot.time
        clock.streams[op.stream][..., where] = end
        spans.append((start, end))
        if isinstance(op.work, SendRecv):
            _arrive(clock, op, where, end)
    for lane, op_index in enumerate(block.exits):
        clock.lanes[lane][..., where] = spans[op_index][1]
    return spans


def together(spot: Spot, work: Collective | AllToAll, ready: Array) -> tuple[Array, Array]:
    """The members of an exchange start together when the last of them is ready, and end together."""
    members = spot.graph.groups[work.group]
    last = ready[..., members].max(axis=-1)
    start, end = np.empty_like(ready), np.empty_like(ready)
    start[..., members] = last[..., None]
    end[..., members] = (last + spot.time)[..., None]
    return start, end


def _arrive(clock: Clock, op: Op, where: slice, end: Array) -> None:
    assert isinstance(op.work, SendRecv)
    there = slice(where.start + op.work.shift, where.stop + op.work.shift)
    for lane in op.enters:
        clock.lanes[lane][..., there] = np.maximum(clock.lanes[lane][..., there], end)


def _state(block: Block, clock: Clock, where: slice) -> Array:
    """The part of the clock that the block moves: `[components, …, ranks]`, lanes first."""
    used = {op.stream for op in block.ops}
    parts = [lane[..., where] for lane in clock.lanes]
    return np.stack([*parts, *(clock.streams[s][..., where] for s in STREAMS if s in used)])


def _steady(graph: Graph, block: Block, step: Array) -> bool:
    """True when a repeat moved everything that hangs together by the same time: so will every later one."""
    if (step != step[0]).any():
        return False
    moved = step[0]
    for op in block.ops:
        if isinstance(op.work, Collective | AllToAll):
            members = moved[..., graph.groups[op.work.group]]
            if (members != members[..., :1]).any():
                return False
    return True


def _leap(block: Block, clock: Clock, where: slice, step: Array, repeats: int) -> None:
    used = {op.stream for op in block.ops}
    for part in [*clock.lanes, *(clock.streams[s] for s in used)]:
        part[..., where] += step * repeats


def _busy(block: Block, times: Sequence[Array], clock: Clock, where: slice) -> None:
    """Adds the compute time of all repeats to each rank's account."""
    for op, time in zip(block.ops, times, strict=True):
        if isinstance(op.work, Compute):
            repeats = block.repeat if time.shape[-2] == 1 else 1
            clock.busy[..., where] += time.sum(axis=-2) * repeats
