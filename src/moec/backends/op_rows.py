"""The op table of a graph: one row per kind of op, over all its layers and ranks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np

from moec.arrays import Array
from moec.backends.base import OpTiming, Timing
from moec.compiler.evidence import worst
from moec.compiler.ir.estimate import BOUNDS
from moec.compiler.ir.graph import AllToAll, Block, Collective, Compute, Dense, Graph, Outer, SendRecv, Transfer, Work


@dataclass(frozen=True, slots=True)
class OpRow:
    """An op of one iteration.

    `count`: times it runs on a rank that runs it. `flops`, `bytes`: sums over layers and ranks; bytes are memory traffic
    of a kernel, and what leaves a rank in an exchange (the whole buffer of a collective). `time_us`: sum over the layers
    on the busiest rank, without waiting. `bound`: what most of the time goes to: `compute`, `memory`, `latency` or
    `network`. `source`: the evidence level of the time.
    """

    name: str
    count: int
    flops: float
    bytes: float
    time_us: float
    bound: str
    source: str
    communication: bool


def op_rows(graph: Graph, timing: Timing) -> tuple[OpRow, ...]:
    """Rows in the order in which ops first run; ops of one name are one row."""
    rows: dict[str, OpRow] = {}
    for timed in timing.ops:
        block = graph.blocks[timed.block]
        row = _row(block, timed)
        rows[row.name] = _merged(rows[row.name], row) if row.name in rows else row
    return tuple(rows.values())


def _row(block: Block, timed: OpTiming) -> OpRow:
    op = block.ops[timed.op]
    flops, size = _quantities(op.work, block)
    bound, source = _evidence(op.work, timed.source)
    time = float(_time_ns(block, timed)) / 1e3
    return OpRow(op.name, block.repeat, flops, size, time, bound, source, not isinstance(op.work, Compute))


def _time_ns(block: Block, timed: OpTiming) -> int:
    """Sum over the repeats on the busiest rank; repeats that are not shown take as long as the last one shown."""
    spans = timed.end_ns - timed.start_ns
    unseen = block.repeat - spans.shape[-2]
    return int((spans.sum(axis=-2) + unseen * spans[..., -1, :]).max())


def _merged(a: OpRow, b: OpRow) -> OpRow:
    longer = a if a.time_us >= b.time_us else b
    return replace(
        longer,
        count=a.count + b.count,
        flops=a.flops + b.flops,
        bytes=a.bytes + b.bytes,
        time_us=a.time_us + b.time_us,
    )


def _quantities(work: Work, block: Block) -> tuple[float, float]:
    """Flops and bytes over all repeats and ranks; work that ranks repeat counts once in flops."""
    match work:
        case Compute(kernel=kernel, replicas=replicas):
            shape = (block.repeat, block.ranks)
            return _total(kernel.flops, shape) / replicas, _total(kernel.bytes, shape)
        case Collective(bytes=size):
            return 0.0, _total(size, (block.repeat, np.shape(size)[-1]))
        case AllToAll(pairs=pairs):
            away = _leaving(pairs)
            return 0.0, _total(away, (block.repeat, np.shape(away)[-1]))
        case SendRecv(bytes=size) | Transfer(bytes=size):
            return 0.0, _total(size, (block.repeat, block.ranks))
        case other:
            assert_never(other)


def _leaving(pairs: Dense | Outer) -> Array:
    """Bytes that go to another rank, per subset: all but the diagonal."""
    match pairs:
        case Dense(bytes=matrix):
            away: Array = matrix.sum(axis=(-1, -2)) - np.trace(matrix, axis1=-2, axis2=-1)
            return away
        case Outer(sent=sent, share=share):
            outer: Array = sent.sum(-1) * share.sum(-1) - (sent * share).sum(-1)
            return outer
        case other:
            assert_never(other)


def _total(values: object, shape: tuple[int, int]) -> float:
    return float(np.broadcast_to(np.asarray(values, dtype=float), shape).sum())


def _evidence(work: Work, told: str | None) -> tuple[str, str]:
    """Bound and source; the network is modelled unless the backend told otherwise."""
    if not isinstance(work, Compute):
        return "network", told or "modelled"
    time, bound = np.broadcast_arrays(work.cost.time_ns, work.cost.bound)
    weight = np.bincount(bound.ravel().astype(np.int64), weights=time.ravel(), minlength=len(BOUNDS))
    return BOUNDS[int(weight.argmax())], worst(work.cost.evidence.level, time > 0)
