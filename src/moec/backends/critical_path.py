"""What an iteration's time consists of: the chain of ops, each waiting for the one before, that ends last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from moec.backends.base import Timing
from moec.backends.timeline import Moments
from moec.compiler.ir.graph import Engine, Graph, Op, SendRecv


@dataclass(frozen=True, slots=True)
class OpOnRank:
    """One op of one repeat of a block on one rank, counted from the block's first."""

    block: int
    op: int
    repeat: int
    rank: int


@dataclass(frozen=True, slots=True)
class PathStep:
    """One op on the critical path, on global rank `rank`; `share` of the makespan.

    `rank` was the last to be ready: the members of an exchange waited for it, one of them `idle_ns`, the longest.
    """

    name: str
    stream: Engine
    block: str
    repeat: int
    rank: int
    start_ns: int
    end_ns: int
    share: float
    idle_ns: int


@dataclass(frozen=True, slots=True)
class PathShare:
    """All steps of one name: how many, how long in all, and their share of the makespan."""

    name: str
    stream: Engine
    count: int
    time_ns: int
    share: float


def critical_path(graph: Graph, timing: Timing) -> tuple[PathStep, ...]:
    """The ops that follow each other without a gap from 0 to the makespan, in order; their shares sum to 1.

    `timing` is that of one iteration with its ops (ValueError otherwise). Where several chains end together, or an op
    was held up by several at once, one of them: dependencies come before streams.
    """
    moments = Moments.of(graph, timing)
    makespan = int(timing.makespan_ns)
    steps: list[PathStep] = []
    place = _last(moments, makespan)
    while place is not None:
        _, start, end = (int(x[place.rank]) for x in moments.of_op(place.block, place.op, place.repeat))
        last = moments.last_of(place.block, place.op, place.repeat, place.rank)
        if end > start:
            steps.append(_step(moments, place, last, start, end, makespan))
        here = OpOnRank(place.block, place.op, place.repeat, last)
        place = _before(moments, here, start) if start > 0 else None
    return tuple(reversed(steps))


def path_shares(path: Iterable[PathStep]) -> tuple[PathShare, ...]:
    """The path summed up by the ops' names, the largest share first."""
    found: dict[str, PathShare] = {}
    for step in path:
        had = found.get(step.name, PathShare(step.name, step.stream, 0, 0, 0.0))
        length = had.time_ns + step.end_ns - step.start_ns
        found[step.name] = PathShare(step.name, step.stream, had.count + 1, length, had.share + step.share)
    return tuple(sorted(found.values(), key=lambda s: -s.time_ns))


def _last(moments: Moments, makespan: int) -> OpOnRank | None:
    """An op that ends with the iteration."""
    for number in range(len(moments.graph.blocks) - 1, -1, -1):
        block = moments.graph.blocks[number]
        for op in range(len(block.ops) - 1, -1, -1):
            end = moments.of_op(number, op, block.repeat - 1)[2]
            if (end == makespan).any():
                return OpOnRank(number, op, block.repeat - 1, int((end == makespan).argmax()))
    return None


def _step(moments: Moments, place: OpOnRank, last: int, start: int, end: int, makespan: int) -> PathStep:
    block = moments.graph.blocks[place.block]
    op = block.ops[place.op]
    ready, starts, _ = (x[_members(moments, place)] for x in moments.of_op(place.block, place.op, place.repeat))
    idle = int((starts - ready).max())
    share = (end - start) / makespan
    return PathStep(op.name, op.stream, block.name, place.repeat, last + block.first_rank, start, end, share, idle)


def _members(moments: Moments, place: OpOnRank) -> list[int]:
    work = moments.graph.blocks[place.block].ops[place.op].work
    group = getattr(work, "group", None)
    if group is None:
        return [place.rank]
    members = moments.graph.groups[group]
    return [int(r) for r in members[(members == place.rank).any(axis=-1)][0]]


def _before(moments: Moments, here: OpOnRank, start: int) -> OpOnRank | None:
    """What ended when `here` could start on its rank."""
    for place in _held_by(moments, here):
        if int(moments.of_op(place.block, place.op, place.repeat)[2][place.rank]) == start:
            return place
    raise AssertionError(f"nothing ends when {moments.graph.blocks[here.block].ops[here.op].name} starts")


def _held_by(moments: Moments, here: OpOnRank) -> Iterator[OpOnRank]:
    """All that an op waits for on a rank: dependencies, the exits of the lanes it enters, its stream."""
    block = moments.graph.blocks[here.block]
    op = block.ops[here.op]
    yield from (OpOnRank(here.block, d, here.repeat, here.rank) for d in op.deps)
    for lane in op.enters:
        yield from _lane(moments, here, lane)
    earlier = [i for i in range(here.op - 1, -1, -1) if _runs(block.ops[i], op.stream, here.rank)]
    yield from (OpOnRank(here.block, i, here.repeat, here.rank) for i in earlier[:1])
    if not earlier:
        yield from _stream(moments, here, op.stream)


def _runs(op: Op, stream: Engine, rank: int) -> bool:
    """Whether `op` takes the stream of a rank of its block."""
    return op.stream == stream and (op.on is None or op.on[0] <= rank < op.on[1])


def _lane(moments: Moments, here: OpOnRank, lane: int) -> Iterator[OpOnRank]:
    """The exit of the lane in the repeat before, or in the block before, or the message that came from another stage."""
    blocks = moments.graph.blocks
    if here.repeat:
        yield OpOnRank(here.block, blocks[here.block].exits[lane], here.repeat - 1, here.rank)
        return
    rank = blocks[here.block].first_rank + here.rank
    for number in range(here.block - 1, -1, -1):
        block = blocks[number]
        if block.first_rank == blocks[here.block].first_rank:
            yield OpOnRank(number, block.exits[lane], block.repeat - 1, here.rank)
            return
        for i, op in enumerate(block.ops):
            if (
                isinstance(op.work, SendRecv)
                and lane in op.enters
                and 0 <= rank - op.work.shift - block.first_rank < block.ranks
            ):
                yield OpOnRank(number, i, block.repeat - 1, rank - op.work.shift - block.first_rank)


def _stream(moments: Moments, here: OpOnRank, stream: Engine) -> Iterator[OpOnRank]:
    """The last op of a stream in the repeat before, or in the last block before on these ranks that has one."""
    blocks = moments.graph.blocks
    first = here.block if here.repeat else here.block - 1
    for number in range(first, -1, -1):
        block = blocks[number]
        repeat = here.repeat - 1 if number == here.block else block.repeat - 1
        mine = [i for i, op in enumerate(block.ops) if _runs(op, stream, here.rank)]
        if mine and block.first_rank == blocks[here.block].first_rank:
            yield OpOnRank(number, mine[-1], repeat, here.rank)
            return
