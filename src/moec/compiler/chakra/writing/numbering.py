"""Node numbers of a graph's ops: the same op has the same number on every rank, and numbers grow in program order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moec.arrays import Ints
from moec.compiler.chakra.writing.ending import ended
from moec.compiler.ir.graph import AllToAll, Block, Engine, Graph, SendRecv, Transfer

FIRST_ID = 1

Ends = tuple[int | Ints, ...]
"""The nodes that end something: the same on all ranks of a block, or `[ranks]` where some have no node for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """A transfer that only `here` `[ranks]` have a node for: `data` and `ctrl` it waits for, and what `ends` it on every
    rank: where it has no node, what its data would come from.
    """

    here: Ints
    data: Ends
    ctrl: Ends
    ends: Ends


@dataclass(frozen=True, slots=True, eq=False)
class Numbered:
    """A block with numbers: op i of repeat r has `base + r · stride + offset[i]`; a send's receipt has the next one.

    `ends[i]`: what to add to that number for the nodes whose completion ends the op: 0, or 1, 2 … for an exchange that
    is spelled out in messages. `entry[lane]` and `stream[s]`: the nodes that the block finds at the end of a lane or a
    stream, none at the start of a trace. `moves`: of a block of transfers of which some have no bytes on some rank, and
    so no node there (the simulator ends none of 0 bytes); None of any other block.
    """

    block: Block
    base: int
    stride: int
    offset: tuple[int, ...]
    ends: tuple[tuple[int, ...], ...]
    entry: tuple[Ends, ...]
    stream: dict[Engine, Ends]
    moves: tuple[Move, ...] | None = None

    def ids(self, op: int, repeats: Ints) -> Ints:
        """Numbers of an op in some repeats."""
        return self.base + repeats * self.stride + self.offset[op]

    def done(self, op: int, repeats: Ints) -> list[Ints]:
        """The nodes that end an op in some repeats."""
        return [self.ids(op, repeats) + end for end in self.ends[op]]

    def last(self, op: int) -> Ends:
        """The nodes that end an op in the last repeat."""
        if self.moves is not None:
            return self.moves[op].ends
        return tuple(int(x) for x in np.ravel(self.done(op, np.array([self.block.repeat - 1]))))

    def after(self, op: int, first: Ends, repeats: Ints) -> list[Ints]:
        """The nodes that end `op` in the repeat before; in the first repeat `first` stands in for them.

        A dependency has as many entries in every repeat, so the shorter of the two lists says its last node again.
        Empty where there is nothing to wait for (the first repeat of a trace's first block, which has no other).
        """
        if not first and (repeats == 0).any():
            return []
        before = self.done(op, repeats - 1)
        return [
            np.where(
                repeats == 0, _column(first[min(k, len(first) - 1)]) if first else 0, before[min(k, len(before) - 1)]
            )
            for k in range(max(len(before), len(first)))
        ]


def number(graph: Graph, *, messages: bool) -> tuple[Numbered, ...]:
    """Numbers for every block, with those that `ended` adds. `messages`: an all-to-all gets a number per message (sent and received) as well."""
    numbered: list[Numbered] = []
    entries: dict[int, list[Ends]] = {}
    streams: dict[int, dict[Engine, Ends]] = {}
    following = FIRST_ID
    for block in ended(graph).blocks:
        widths = [_width(graph, op.work, messages) for op in block.ops]
        ends = tuple(_ends(graph, op.work, messages) for op in block.ops)
        offset = tuple(int(x) for x in np.cumsum([0, *widths[:-1]]))
        entry = entries.setdefault(block.first_rank, [()] * graph.lanes)
        stream = streams.setdefault(block.first_rank, {})
        moves = _moves(block, following, entry, stream.get("memory", ()))
        one = Numbered(block, following, sum(widths), offset, ends, tuple(entry), dict(stream), moves)
        numbered.append(one)
        following += one.stride * block.repeat
        for i, op in enumerate(block.ops):
            stream[op.stream] = one.last(i)
            if isinstance(op.work, SendRecv):
                there = entries.setdefault(block.first_rank + op.work.shift, [()] * graph.lanes)
                for lane in op.enters:
                    there[lane] = (one.ids(i, np.array(block.repeat - 1)) + 1,)
        for lane, op_index in enumerate(block.exits):
            entry[lane] = one.last(op_index)
    return tuple(numbered)


def _column(node: int | Ints) -> int | Ints:
    """`[ranks, 1]`, beside columns of repeats."""
    return node[:, None] if isinstance(node, np.ndarray) and node.ndim else node


def _moves(block: Block, base: int, entry: Sequence[Ends], stream: Ends) -> tuple[Move, ...] | None:
    """The transfers of a block, one node each, in the order of their stream; None if all have nodes everywhere."""
    sizes = [_moved(op.work, block) for op in block.ops if isinstance(op.work, Transfer)]
    if all((size > 0).all() for size in sizes):
        return None
    if len(sizes) < len(block.ops) or block.repeat > 1:
        raise ValueError("transfers without bytes on some rank need a block of their own, of one repeat")
    moves: list[Move] = []
    for i, (op, size) in enumerate(zip(block.ops, sizes, strict=True)):
        data: Ends = (*(e for d in op.deps for e in moves[d].ends), *(e for lane in op.enters for e in entry[lane]))
        ctrl = moves[-1].ends if moves else stream
        ctrl = tuple(c for c in ctrl if not any(np.array_equal(c, d) for d in data))
        here = size[0] > 0
        if not (data or ctrl or here.all()):
            raise ValueError("a rank without bytes to transfer needs an op before")
        ends: Ends = (base + i,) if here.all() else tuple(np.where(here, base + i, w) for w in data or ctrl)
        moves.append(Move(here, data, ctrl, ends))
    return tuple(moves)


def _moved(work: Transfer, block: Block) -> Ints:
    """Whole bytes `[repeat, ranks]`."""
    return np.broadcast_to(np.rint(work.bytes).astype(np.int64), (block.repeat, block.ranks))


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
