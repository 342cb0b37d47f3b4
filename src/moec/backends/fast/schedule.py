"""Max-plus evaluation: when every op starts and ends, given how long each takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from moec.arrays import Array
from moec.backends.base import OpTiming
from moec.backends.fast.interference import Interval, process_order, stretched
from moec.compiler.ir.graph import ENGINES, AllToAll, Block, Collective, Compute, Engine, Graph, Op, SendRecv

OpSpan = tuple[Array, Array, Array]
"""When an op was ready on each rank, when it started and when it ended, `[…, ranks]`; 0 on ranks that do not run it."""


@dataclass(slots=True)
class Frontier:
    """How far the evaluation has come: when each stream of each rank is free, and when each lane has left the last block.

    `streams`, `lanes` and `busy` (nanoseconds on the compute engine so far): `[…, world]` each. With `interference`, `talks` are the
    exchanges of the last repeat on the ranks from each first rank on. `ops` is filled where details are asked for.
    """

    streams: dict[Engine, Array]
    lanes: list[Array]
    busy: Array
    interference: float = 0.0
    talks: dict[int, list[Interval]] = field(default_factory=dict)
    ops: list[OpTiming] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class OpInstance:
    """Op `op` of block `block` of `graph` in one `repeat`, and its `time` `[…, ranks]` or `[…, subsets]`."""

    graph: Graph
    block: int
    op: int
    repeat: int
    time: Array


Rendezvous = Callable[[OpInstance, Collective | AllToAll, Array], tuple[Array, Array]]
"""From when each rank of the block is ready for an exchange to when it starts and ends there, all `[…, ranks]`."""


def evaluate(
    graph: Graph,
    times: Sequence[Sequence[Array]],
    *,
    detail: bool,
    interference: float = 0.0,
    rendezvous: Rendezvous | None = None,
) -> Frontier:
    """Run all blocks; `times` as made by `durations`, `[…, repeat, ranks or subsets]`. With `detail`, keep all ops' times.

    `interference`: share of its speed that a kernel loses while an exchange runs on its rank. `rendezvous` decides when an
    exchange starts and ends on each rank; by default `together`.
    """
    lead = np.broadcast_shapes(*(t.shape[:-2] for block in times for t in block))
    zero = np.zeros((*lead, graph.world), dtype=np.int64)
    lanes = [zero.copy() for _ in range(graph.lanes)]
    used = {op.stream for block in graph.blocks for op in block.ops}
    frontier = Frontier({s: zero.copy() for s in ENGINES if s in used}, lanes, zero.copy(), interference)
    for number, (block, spans) in enumerate(zip(graph.blocks, times, strict=True)):
        _run_block(graph, number, block, spans, frontier, detail, rendezvous or together)
    return frontier


def _run_block(
    graph: Graph,
    number: int,
    block: Block,
    times: Sequence[Array],
    frontier: Frontier,
    detail: bool,
    rendezvous: Rendezvous,
) -> None:
    where = slice(block.first_rank, block.first_rank + block.ranks)
    same = all(t.shape[-2] == 1 for t in times)
    order = process_order(block) if frontier.interference else tuple(range(len(block.ops)))
    shown: list[list[OpSpan]] = []
    before, moves = _state(block, frontier, where, []) if same else None, _moves(block, frontier)
    done, period = 0, np.zeros(block.ranks, dtype=np.int64)
    while done < block.repeat:
        at = [OpInstance(graph, number, i, done, _layer(t, done)) for i, t in enumerate(times)]
        shown.append(_run_once(block, order, at, frontier, where, rendezvous))
        done += 1
        if before is None or done == block.repeat:
            continue
        after = _state(block, frontier, where, shown[-1])
        steady = _steady(graph, block, after - before, moves) if after.shape == before.shape else None
        if steady is not None:
            period = steady
            _leap(block, frontier, where, period, block.repeat - done, shown[-1], moves)
            break
        before = after
    if not frontier.interference:
        _busy(block, times, frontier, where)
    if detail:
        for i in range(len(block.ops)):
            ready, start, end = (np.stack([rep[i][k] for rep in shown], axis=-2) for k in range(3))
            frontier.ops.append(OpTiming(number, i, start, end, ready, period))


def _layer(times: Array, repeat: int) -> Array:
    return times[..., repeat if times.shape[-2] > 1 else 0, :]


def _run_once(
    block: Block,
    order: Sequence[int],
    instances: list[OpInstance],
    frontier: Frontier,
    where: slice,
    rendezvous: Rendezvous,
) -> list[OpSpan]:
    """One repeat; returns when every op was ready, started and ended, `[…, ranks]`."""
    spans: dict[int, OpSpan] = {}
    entry = [lane[..., where] for lane in frontier.lanes]
    talks = [*frontier.talks.get(where.start, ())]
    before = len(talks)
    for i in order:
        op = block.ops[i]
        ready = frontier.streams[op.stream][..., where]
        for d in op.deps:
            ready = np.maximum(ready, spans[d][2])
        for lane in op.enters:
            ready = np.maximum(ready, entry[lane])
        if isinstance(op.work, Collective | AllToAll):
            start, end = rendezvous(instances[i], op.work, ready)
        else:
            start, end = ready, _after(ready, instances[i].time, op.on)
        if op.on is not None:
            ready, start, end = (_inside(moments, op.on) for moments in (ready, start, end))
        if frontier.interference:
            end = _disturbed(op, start, end, talks, frontier, where)
        if op.on is None:
            frontier.streams[op.stream][..., where] = end
        else:
            frontier.streams[op.stream][..., _ranks(op, where)] = end[..., slice(*op.on)]
        spans[i] = (ready, start, end)
        if isinstance(op.work, SendRecv):
            _arrive(frontier, op, where, end)
    for lane, op_index in enumerate(block.exits):
        frontier.lanes[lane][..., where] = spans[op_index][2]
    if any(
        op.stream != "memory" for op in block.ops
    ):  # else kernels still run beside the exchanges of the block before
        frontier.talks[where.start] = talks[before:]
    return [spans[i] for i in range(len(block.ops))]


def _computes(op: Op) -> bool:
    """Whether `op` is a kernel on the engine that exchanges slow down."""
    return op.stream == "compute" and isinstance(op.work, Compute)


def _ranks(op: Op, where: slice) -> slice:
    """The global ranks that run `op` of a block on the ranks `where`."""
    return where if op.on is None else slice(where.start + op.on[0], where.start + op.on[1])


def _after(ready: Array, time: Array, on: tuple[int, int] | None) -> Array:
    """The end of an op that starts at `ready` `[…, ranks]` and takes `time` on each rank that runs it."""
    if on is None:
        end: Array = ready + time
        return end
    end = ready.copy()
    end[..., slice(*on)] += time
    return end


def _inside(moments: Array, on: tuple[int, int]) -> Array:
    """`moments` `[…, ranks]` on the ranks that run an op, and 0 on the others: there it binds nobody."""
    found = np.zeros_like(moments)
    found[..., slice(*on)] = moments[..., slice(*on)]
    return found


def _disturbed(op: Op, start: Array, end: Array, talks: list[Interval], frontier: Frontier, where: slice) -> Array:
    """The end of an op when exchanges slow kernels; notes exchanges, and how long kernels took."""
    if _computes(op):
        end = stretched(start, end, talks, frontier.interference)
        frontier.busy[..., where] += end - start
    elif isinstance(op.work, Collective | AllToAll):
        talks.append((start, end))
    return end


def together(instance: OpInstance, work: Collective | AllToAll, ready: Array) -> tuple[Array, Array]:
    """A `Rendezvous`: members start together when the last of them is ready, and end together.

    `ready` and the start and end that it returns are `[…, ranks]`.
    """
    members = instance.graph.groups[work.group]
    last = ready[..., members].max(axis=-1)
    start, end = np.empty_like(ready), np.empty_like(ready)
    start[..., members] = last[..., None]
    end[..., members] = (last + instance.time)[..., None]
    return start, end


def _arrive(frontier: Frontier, op: Op, where: slice, end: Array) -> None:
    assert isinstance(op.work, SendRecv)
    there = slice(where.start + op.work.shift, where.stop + op.work.shift)
    for lane in op.enters:
        frontier.lanes[lane][..., there] = np.maximum(frontier.lanes[lane][..., there], end)


def _state(block: Block, frontier: Frontier, where: slice, last: Sequence[OpSpan]) -> Array:
    """The part of the frontier that the block moves: `[components, …, ranks]`, lanes first.

    With interference the exchanges of the `last` repeat belong to it: kernels of the next one may run beside them.
    """
    used = {op.stream for op in block.ops}
    parts = [lane[..., where] for lane in frontier.lanes]
    parts += [frontier.streams[s][..., where] for s in ENGINES if s in used]
    if frontier.interference and last:
        talks = [placed for op, placed in zip(block.ops, last, strict=True) if not isinstance(op.work, Compute)]
        parts += [moment for _, start, end in talks for moment in (start, end)]
    return np.stack(np.broadcast_arrays(*parts))


def _moves(block: Block, frontier: Frontier) -> Array | None:
    """Which components of `_state` a repeat moves on which ranks, `[components, ranks]`; None when all move on all."""
    if all(op.on is None for op in block.ops):
        return None
    movers = [[block.ops[i]] for i in block.exits]
    movers += [found for s in ENGINES if (found := [op for op in block.ops if op.stream == s])]
    if frontier.interference:
        movers += [[op] for op in block.ops if not isinstance(op.work, Compute) for _ in range(2)]
    moves = np.zeros((len(movers), block.ranks), dtype=bool)
    for row, ops in zip(moves, movers, strict=True):
        for op in ops:
            row[_ranks(op, slice(0, block.ranks))] = True
    return moves


def _steady(graph: Graph, block: Block, step: Array, moves: Array | None) -> Array | None:
    """By how much every repeat from now on moves each rank, `[…, ranks]`, if it is known.

    It is when a repeat moved everything that hangs together by the same time: then so will every later one.
    """
    if moves is None:
        period: Array = step[0]
        expected: Array = period
    else:
        wide = moves.reshape(len(moves), *(1,) * (step.ndim - 2), -1)
        period = np.where(wide, step, 0).max(axis=0)
        expected = np.where(wide, period, 0)
    if (step != expected).any():
        return None
    for op in block.ops:
        if isinstance(op.work, Collective | AllToAll):
            members = period[..., graph.groups[op.work.group]]
            if (members != members[..., :1]).any():
                return None
    return period


def _leap(
    block: Block,
    frontier: Frontier,
    where: slice,
    period: Array,
    repeats: int,
    last: Sequence[OpSpan],
    moves: Array | None,
) -> None:
    used = {op.stream for op in block.ops}
    parts = [*frontier.lanes, *(frontier.streams[s] for s in ENGINES if s in used)]
    for i, part in enumerate(parts):
        part[..., where] += period * repeats if moves is None else period * repeats * moves[i]
    if frontier.interference:
        later = period * repeats
        frontier.talks[where.start] = [(a + later, b + later) for a, b in frontier.talks[where.start]]
        for op, (_, start, end) in zip(block.ops, last, strict=True):
            if _computes(op):
                frontier.busy[..., where] += (end - start) * repeats


def _busy(block: Block, times: Sequence[Array], frontier: Frontier, where: slice) -> None:
    """Adds the time of all repeats on the compute engine to each rank's account."""
    for op, time in zip(block.ops, times, strict=True):
        if _computes(op):
            repeats = block.repeat if time.shape[-2] == 1 else 1
            frontier.busy[..., _ranks(op, where)] += time.sum(axis=-2) * repeats
