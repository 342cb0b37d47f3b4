"""Node numbers of a graph's ops: the same op has the same number on every rank, and numbers grow in program order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.compiler.chakra.node import Ints
from moec.compiler.graph import AllToAll, Block, Graph, SendRecv, Stream

FIRST_ID = 1


@dataclass(frozen=True, slots=True, eq=False)
class Numbered:
    """A block with numbers: op i of repeat r is node `base + r · stride + offset[i]`; a send's receipt is the next one.

    `entry[lane]` and `stream[s]`: the node that the block finds at the end of a lane or a stream, None at the start.
    """

    block: Block
    base: int
    stride: int
    offset: tuple[int, ...]
    entry: tuple[int | None, ...]
    stream: dict[Stream, int]

    def ids(self, op: int, repeats: Ints) -> Ints:
        """Numbers of an op in some repeats; repeat −1 is meaningless for the first one (see `entered`)."""
        return self.base + repeats * self.stride + self.offset[op]

    def entered(self, lane: int, repeats: Ints) -> Ints | None:
        """What an op that enters `lane` waits for."""
        before = self.ids(self.block.exits[lane], repeats - 1)
        first = self.entry[lane]
        if first is None:
            return None if (repeats == 0).any() else before
        return np.where(repeats == 0, first, before)

    def last(self, op: int) -> int:
        """The number of an op in the last repeat."""
        return self.base + (self.block.repeat - 1) * self.stride + self.offset[op]


def number(graph: Graph, *, messages: bool) -> tuple[Numbered, ...]:
    """Numbers for every block. `messages`: an all-to-all gets a number per message (sent and received) as well."""
    numbered: list[Numbered] = []
    entries: dict[int, list[int | None]] = {}
    streams: dict[int, dict[Stream, int]] = {}
    following = FIRST_ID
    for block in graph.blocks:
        widths = [_width(graph, op.work, messages) for op in block.ops]
        offset = tuple(int(x) for x in np.cumsum([0, *widths[:-1]]))
        entry = entries.setdefault(block.first_rank, [None] * graph.lanes)
        stream = streams.setdefault(block.first_rank, {})
        one = Numbered(block, following, sum(widths), offset, tuple(entry), dict(stream))
        numbered.append(one)
        following += one.stride * block.repeat
        for i, op in enumerate(block.ops):
            stream[op.stream] = one.last(i)
            if isinstance(op.work, SendRecv):
                there = entries.setdefault(block.first_rank + op.work.shift, [None] * graph.lanes)
                for lane in op.enters:
                    there[lane] = one.last(i) + 1
        for lane, op_index in enumerate(block.exits):
            entry[lane] = one.last(op_index)
    return tuple(numbered)


def _width(graph: Graph, work: object, messages: bool) -> int:
    if isinstance(work, SendRecv):
        return 2
    if messages and isinstance(work, AllToAll):
        return 1 + 2 * int(graph.groups[work.group].shape[-1])
    return 1
