"""When every op of every layer ran on every rank, layers that were not shown included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from moec.arrays import Array
from moec.backends.base import OpTiming, Timing
from moec.compiler.ir.graph import AllToAll, Collective, Engine, Graph


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One op on one rank, in nanoseconds.

    An exchange was `ready_ns` on this rank and started when `waits_for` was, the last of its members (itself, at times).
    """

    rank: int
    block: int
    op: int
    repeat: int
    name: str
    stream: Engine
    ready_ns: int
    start_ns: int
    end_ns: int
    waits_for: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """A timing with `detail` of one iteration, by (block, op)."""

    graph: Graph
    ops: dict[tuple[int, int], OpTiming]

    @classmethod
    def of(cls, graph: Graph, timing: Timing) -> Moments:
        """Raises ValueError for a timing without its ops, or of several iterations at once."""
        if not timing.ops or timing.makespan_ns.ndim or any(t.ready_ns is None for t in timing.ops):
            raise ValueError("the timing of one iteration is needed, with its ops (`run(graph, detail=True)`)")
        return cls(graph, {(t.block, t.op): t for t in timing.ops})

    def of_op(self, block: int, op: int, repeat: int) -> tuple[Array, Array, Array]:
        """When the op was ready, started and ended in a repeat of its block, each `[ranks]`."""
        timed = self.ops[block, op]
        assert timed.ready_ns is not None and timed.period_ns is not None
        seen = min(repeat, timed.start_ns.shape[-2] - 1)
        later = timed.period_ns * (repeat - seen)
        on = self.graph.blocks[block].ops[op].on
        if on is not None:  # moments of ranks that do not run the op stay 0
            ranks = np.arange(later.shape[-1])
            later = np.where((on[0] <= ranks) & (ranks < on[1]), later, 0)
        return timed.ready_ns[seen] + later, timed.start_ns[seen] + later, timed.end_ns[seen] + later

    def last_of(self, block: int, op: int, repeat: int, rank: int) -> int:
        """Whom `rank` waited for: of the members of its exchange the one that was ready last.

        `rank` itself where it did not wait: it was the last, the op is no exchange, or (as ASTRA-sim has it) members of
        an exchange start when they like. Ranks are relative to the block's first.
        """
        work = self.graph.blocks[block].ops[op].work
        if not isinstance(work, Collective | AllToAll):
            return rank
        members = self.graph.groups[work.group]
        subset = members[(members == rank).any(axis=-1)][0]
        ready, start, _ = self.of_op(block, op, repeat)
        return rank if ready[rank] == start[rank] else int(subset[ready[subset].argmax()])


def timeline(graph: Graph, timing: Timing, ranks: Iterable[int] | None = None) -> Iterator[TimelineEvent]:
    """Every op of the given ranks (all when absent), block by block: what a timeline is drawn from.

    `timing` is that of one iteration, with its ops. An op that takes no time on a rank is left out.
    """
    moments = Moments.of(graph, timing)
    chosen = range(graph.world) if ranks is None else sorted(set(ranks))
    for number, block in enumerate(graph.blocks):
        mine = [r - block.first_rank for r in chosen if block.first_rank <= r < block.first_rank + block.ranks]
        for repeat in range(block.repeat if mine else 0):
            for i, op in enumerate(block.ops):
                ready, start, end = (np.broadcast_to(x, block.ranks) for x in moments.of_op(number, i, repeat))
                exchange = isinstance(op.work, Collective | AllToAll)
                for r in (r for r in mine if end[r] > start[r]):
                    last = moments.last_of(number, i, repeat, r) + block.first_rank if exchange else None
                    times = (int(ready[r]), int(start[r]), int(end[r]))
                    yield TimelineEvent(r + block.first_rank, number, i, repeat, op.name, op.stream, *times, last)
