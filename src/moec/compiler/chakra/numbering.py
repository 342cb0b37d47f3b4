"""Node numbers of a graph's ops: the same op has the same number on every rank, and numbers grow in program order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.compiler.chakra.node import Ints
from moec.compiler.graph import AllToAll, Block, Graph, SendRecv, Stream

FIRST_ID = 1


@dataclass(frozen=True, slots=True, eq=False)
class Numbered:
    """A block with numbers: op i of repeat r has `base + r · stride + offset[i]`; a send's receipt has the next one.

    `ends[i]`: what to add to that number for the nodes whose completion ends the op: 0, or 1, 2 … for an exchange that
    is spelled out in messages. `entry[lane]` and `stream[s]`: the nodes that the block finds at the end of a lane or a
    stream, none at the start of a trace.
    """

    block: Block
    base: int
    stride: int
    offset: tuple[int, ...]
    ends: tuple[tuple[int, ...], ...]
    entry: tuple[tuple[int, ...], ...]
    stream: dict[Stream, tuple[int, ...]]

    def ids(self, op: int, repeats: Ints) -> Ints:
        """Numbers of an op in some repeats."""
        return self.base + repeats * self.stride + self.offset[op]

    def done(self, op: int, repeats: Ints) -> list[Ints]:
        """The nodes that end an op in some repeats."""
        return [self.ids(op, repeats) + end for end in self.ends[op]]

    def last(self, op: int) -> tuple[int, ...]:
        """The nodes that end an op in the last repeat."""
        return tuple(int(x) for x in np.ravel(self.done(op, np.array([self.block.repeat - 1]))))

    def after(self, op: int, first: tuple[int, ...], repeats: Ints) -> list[Ints]:
        """The nodes that end `op` in the repeat before; in the first repeat `first` stands in for them.

        A dependency has as many entries in every repeat, so the shorter of the two lists says its last node again.
        Empty where there is nothing to wait for (the first repeat of a trace's first block, which has no other).
        """
        if not first and (repeats == 0).any():
            return []
        before = self.done(op, repeats - 1)
        return [
            np.where(repeats == 0, first[min(k, len(first) - 1)] if first else 0, before[min(k, len(before) - 1)])
            for k in range(max(len(before), len(first)))
        ]


def number(graph: Graph, *, messages: bool) -> tuple[Numbered, ...]:
    """Numbers for every block. `messages`: an all-to-all gets a number per message (sent and received) as well."""
    numbered: list[Numbered] = []
    entries: dict[int, list[tuple[int, ...]]] = {}
    streams: dict[int, dict[Stream, tuple[int, ...]]] = {}
    following = FIRST_ID
    for block in graph.blocks:
        widths = [_width(graph, op.work, messages) for op in block.ops]
        ends = tuple(_ends(graph, op.work, messages) for op in block.ops)
        offset = tuple(int(x) for x in np.cumsum([0, *widths[:-1]]))
        entry = entries.setdefault(block.first_rank, [()] * graph.lanes)
        stream = streams.setdefault(block.first_rank, {})
        one = Numbered(block, following, sum(widths), offset, ends, tuple(entry), dict(stream))
        numbered.append(one)
        following += one.stride * block.repeat
        for i, op in enumerate(block.ops):
            stream[op.stream] = one.last(i)
            if isinstance(op.work, SendRecv):
                there = entries.setdefault(block.first_rank + op.work.shift, [()] * graph.lanes)
                for lane in op.enters:
                    there[lane] = (one.last(i)[0] + 1,)
        for lane, op_index in enumerate(block.exits):
            entry[lane] = one.last(op_index)
    return tuple(numbered)


def _ends(graph: Graph, work: object, messages: bool) -> tuple[int, ...]:
    if messages and isinstance(work, AllToAll):
        return tuple(range(1, 2 * int(graph.groups[work.group].shape[-1]) - 1))
    return (0,)


def _width(graph: Graph, work: object, messages: bool) -> int:
    if isinstance(work, SendRecv):
        return 2
    if messages and isinstance(work, AllToAll):
        return 1 + 2 * int(graph.groups[work.group].shape[-1])
    return 1
