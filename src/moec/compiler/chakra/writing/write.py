"""From a graph to the traces of every rank."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import assert_never

import numpy as np

from moec.arrays import Ints
from moec.compiler.chakra.node import (
    GLOBAL_METADATA,
    CollectiveType,
    NodeType,
    Value,
    collects,
    computes,
    moves,
    node,
    stores,
)
from moec.compiler.chakra.wire import Message, Piece, Rows, digits, render
from moec.compiler.chakra.writing.exchange import (
    Encoding,
    alltoall_size,
    collective_size,
    spelled_as_sets,
    whole_matrix,
)
from moec.compiler.chakra.writing.groups import Communicators
from moec.compiler.chakra.writing.numbering import Move, Numbered, number
from moec.compiler.ir.graph import AllToAll, Block, Collective, Compute, Graph, Op, SendRecv, Transfer, Work

COLLECTIVE_TYPES = {
    "all_reduce": CollectiveType.ALL_REDUCE,
    "all_gather": CollectiveType.ALL_GATHER,
    "reduce_scatter": CollectiveType.REDUCE_SCATTER,
}


@dataclass(slots=True)
class Traces:
    """The traces of a graph before they are written.

    `stretches[rank]`: what a rank's file is made of after its header, in order. `custom[id]`: bytes from member to
    member of the send/receive set that stands for node `id` (see `exchange.custom_files`). `carried`: bytes by kind of exchange. `nodes`: of all ranks.
    """

    world: int
    stretches: list[list[tuple[Rows, int]]]
    communicators: Communicators
    custom: dict[int, Ints] = field(default_factory=dict)
    carried: Counter[str] = field(default_factory=Counter)
    nodes: int = 0

    @property
    def set_nodes(self) -> int:
        """Nodes of the sets that stand for exchanges: a send and a receive per pair with bytes, an idle one per member
        that has neither.
        """
        return sum(
            2 * int(np.count_nonzero(pairs)) + int((~(pairs.any(axis=0) | pairs.any(axis=1))).sum())
            for pairs in self.custom.values()
        )

    def file(self, rank: int) -> bytes:
        """The trace of one rank."""
        return b"".join([GLOBAL_METADATA, *(rows.of(index) for rows, index in self.stretches[rank])])

    def content(self, rank: int) -> tuple[tuple[int, int], ...]:
        """Equal for ranks with equal files."""
        return tuple((id(rows), index if rows.patches else 0) for rows, index in self.stretches[rank])


def trace(graph: Graph, *, encoding: Encoding = "custom", splits: int = 1) -> Traces:
    """The traces of `graph`. Collectives are rounded up to what divides evenly into `splits` chunks."""
    traces = Traces(graph.world, [[] for _ in range(graph.world)], Communicators(graph.world))
    for numbered in number(graph, messages=encoding == "sendrecv"):
        _Writer(graph, numbered, traces, encoding, splits).write()
    return traces


Deps = tuple[list[Ints], list[Ints]]
"""Data and control dependencies."""


@dataclass(slots=True)
class _Writer:
    """Writes one block into the traces of its ranks (and its sends' receipts into those of the receivers)."""

    graph: Graph
    numbered: Numbered
    traces: Traces
    encoding: Encoding
    splits: int

    def write(self) -> None:
        block = self.numbered.block
        if self.numbered.moves is not None:
            self._moves(self.numbered.moves)
            return
        repeats = np.arange(block.repeat)
        pieces: list[Piece] = []
        for i, op in enumerate(block.ops):
            pieces += self._spell(i, op, repeats)
        rows = render(pieces, block.repeat)
        for r in range(block.ranks):
            self.traces.stretches[block.first_rank + r].append((rows, r))

    def _moves(self, moves: Sequence[Move]) -> None:
        """Each transfer on the ranks that have bytes for it."""
        block, once = self.numbered.block, np.arange(1)
        for i, (op, move) in enumerate(zip(block.ops, moves, strict=True)):
            kind, attrs = self._transfer(op.work)
            deps = ([_wide(d, block) for d in move.data], [_wide(c, block) for c in move.ctrl])
            rows = render(node(self.numbered.ids(i, once), self._name(op, once), kind, deps[1], deps[0], attrs), 1)
            ranks = np.flatnonzero(move.here).tolist()
            for r in ranks:
                self.traces.stretches[block.first_rank + r].append((rows, r))
            self.traces.nodes += len(ranks)

    def _transfer(self, work: Work) -> tuple[NodeType, tuple[Message, ...]]:
        assert isinstance(work, Transfer)
        kind = NodeType.MEM_LOAD if work.direction == "load" else NodeType.MEM_STORE
        size = np.rint(work.bytes).astype(np.int64)
        shape = (self.numbered.block.repeat, self.numbered.block.ranks)
        self.traces.carried[work.direction] += int(np.broadcast_to(size, shape).sum())
        return kind, stores(_by_rank(size, self.numbered.block))

    def _spell(self, i: int, op: Op, repeats: Ints) -> Message:
        if isinstance(op.work, AllToAll) and self._spelled(op):
            return self._messages(i, op, op.work, repeats)
        return self._op(i, op, repeats)

    def _spelled(self, op: Op) -> bool:
        """Is the op an exchange that is spelled out as sends and receives?"""
        return self.encoding == "sendrecv" and isinstance(op.work, AllToAll)

    def _op(self, i: int, op: Op, repeats: Ints) -> Message:
        block = self.numbered.block
        match op.work:
            case Compute():
                kind, attrs = NodeType.COMP, computes(_by_rank(np.maximum(op.work.cost.time_ns, 1), block))
            case Collective():
                kind, attrs = NodeType.COLL, self._collective(op.work)
            case AllToAll():
                kind, attrs = NodeType.COLL, self._alltoall(i, op.work)
            case SendRecv():
                kind, attrs = NodeType.SEND, self._send(i, op.work, repeats)
                self._receive(i, op, op.work, repeats)
            case Transfer():
                kind, attrs = self._transfer(op.work)
            case other:
                assert_never(other)
        return self._node(self.numbered.ids(i, repeats), op, self._deps(i, op, repeats), kind, attrs)

    def _node(self, ids: Ints, op: Op, deps: Deps, kind: NodeType, attrs: tuple[Message, ...]) -> Message:
        self.traces.nodes += self.numbered.block.repeat * self.numbered.block.ranks
        data, ctrl = deps
        repeats = np.arange(self.numbered.block.repeat)
        return node(ids, self._name(op, repeats), kind, ctrl, data, attrs)

    def _deps(self, i: int, op: Op, repeats: Ints) -> Deps:
        data = list(self._data(op, repeats))
        return data, self._ctrl(i, op, repeats, data)

    def _name(self, op: Op, repeats: Ints) -> tuple[Piece, ...]:
        name = f"{self.numbered.block.name}.{op.name}".encode()
        return (name,) if self.numbered.block.repeat == 1 else (name + b".", digits(repeats))

    def _data(self, op: Op, repeats: Ints) -> Iterator[Ints]:
        block = self.numbered.block
        for d in op.deps:
            yield from self.numbered.done(d, repeats)
        for lane in op.enters:
            yield from self.numbered.after(block.exits[lane], self.numbered.entry[lane], repeats)

    def _ctrl(self, i: int, op: Op, repeats: Ints, data: Sequence[Ints]) -> list[Ints]:
        """The op before on the same stream, unless it is waited for anyway: this keeps streams in order."""
        block = self.numbered.block
        before = [k for k in range(i) if block.ops[k].stream == op.stream]
        if before:
            found = self.numbered.done(before[-1], repeats)
        else:
            last = max(k for k, other in enumerate(block.ops) if other.stream == op.stream)
            # a stream that is used for the first time has nothing before it: what the op waits for anyway stands in
            first = self.numbered.stream.get(op.stream, tuple(d[..., 0] for d in data))
            found = self.numbered.after(last, first, repeats)
        return [ids for ids in found if not any(np.array_equal(ids, d) for d in data)]

    def _messages(self, i: int, op: Op, work: AllToAll, repeats: Ints) -> Message:
        """A send to and a receive from every other member, nearest first; an empty pair exchanges one byte."""
        block, partition = self.numbered.block, self.graph.groups[work.group]
        pairs = self._pairs(work)
        subset, me = np.nonzero(np.ones_like(partition))
        place = np.argsort(partition.reshape(-1))
        subset, me, size = subset[place], me[place], partition.shape[-1]
        label, deps = self.numbered.ids(i, repeats), self._deps(i, op, repeats)
        pieces: list[Piece] = []
        for kind, way in ((NodeType.SEND, 1), (NodeType.RECV, -1)):
            for k in range(size - 1):
                peer = (me + way * (k + 1)) % size
                moved = pairs[:, subset, me, peer] if way == 1 else pairs[:, subset, peer, me]
                peers = partition[subset, peer] + block.first_rank
                own = block.first_rank + np.arange(block.ranks)
                attrs = moves(kind, peers[:, None], own[:, None], np.maximum(moved, 1).T, label)
                number = label + 1 + k + (size - 1 if way == -1 else 0)
                pieces += self._node(number, op, deps, kind, attrs)
        return tuple(pieces)

    def _pairs(self, work: AllToAll) -> Ints:
        """`[repeat, subsets, size, size]`; counted once."""
        pairs = whole_matrix(work)
        pairs = np.broadcast_to(pairs, (self.numbered.block.repeat, *pairs.shape[1:]))
        self.traces.carried["all_to_all"] += int(pairs.sum())
        return pairs

    def _collective(self, work: Collective) -> tuple[Message, ...]:
        partition = self.graph.groups[work.group]
        size = partition.shape[-1]
        shape = (self.numbered.block.repeat, len(partition))
        per = np.broadcast_to(collective_size(work, size, self.splits), shape)
        self.traces.carried[work.kind] += int(np.ceil(np.broadcast_to(work.bytes, shape)).sum())
        group = self.traces.communicators.of(work.group, partition, self.numbered.block.first_rank)
        return collects(
            COLLECTIVE_TYPES[work.kind], _by_member(per, partition), None if group is None else _ranks(group)
        )

    def _alltoall(self, i: int, work: AllToAll) -> tuple[Message, ...]:
        block, partition = self.numbered.block, self.graph.groups[work.group]
        pairs = self._pairs(work)
        per = alltoall_size(pairs, self.splits)
        group = self.traces.communicators.of(work.group, partition, block.first_rank)
        if spelled_as_sets(pairs, self.encoding):
            group = self._custom(i, pairs, partition, group)
        return collects(CollectiveType.ALL_TO_ALL, _by_member(per, partition), None if group is None else _ranks(group))

    def _custom(self, i: int, pairs: Ints, partition: Ints, group: Ints | None) -> Ints | None:
        """Send/receive sets for every repeat. Inside a communicator group the simulator counts members from 0, in file
        names and peers alike, and keeps the first plan it sees, so every op there gets a group of its own.
        """
        block = self.numbered.block
        if len(partition) != 1:
            raise ValueError("one send/receive set cannot stand for several groups")
        groups = []
        for repeat, label in enumerate(self.numbered.ids(i, np.arange(block.repeat)).tolist()):
            self.traces.custom[label] = pairs[repeat, 0]
            if group is not None:
                groups.append(self.traces.communicators.fresh(partition, block.first_rank))
        return np.stack(groups, axis=-1) if groups else None

    def _send(self, i: int, work: SendRecv, repeats: Ints) -> tuple[Message, ...]:
        block = self.numbered.block
        own = block.first_rank + np.arange(block.ranks)
        self.traces.carried["send"] += int(np.broadcast_to(np.ceil(work.bytes), (block.repeat, block.ranks)).sum())
        return moves(
            NodeType.SEND, _ranks(own + work.shift), _ranks(own), self._sizes(work), self.numbered.ids(i, repeats)
        )  # fmt: skip

    def _receive(self, i: int, op: Op, work: SendRecv, repeats: Ints) -> None:
        block = self.numbered.block
        own = block.first_rank + work.shift + np.arange(block.ranks)
        attrs = moves(
            NodeType.RECV, _ranks(own - work.shift), _ranks(own), self._sizes(work), self.numbered.ids(i, repeats)
        )
        name = f"{block.name}.{op.name}.receive".encode()
        rows = render(node(self.numbered.ids(i, repeats) + 1, (name,), NodeType.RECV, (), (), attrs), block.repeat)
        for r in range(block.ranks):
            self.traces.stretches[block.first_rank + work.shift + r].append((rows, r))
        self.traces.nodes += block.repeat * block.ranks

    def _sizes(self, work: SendRecv) -> Value:
        return _by_rank(np.maximum(np.ceil(work.bytes), 1).astype(np.int64), self.numbered.block)


def _by_rank(values: Ints, block: Block) -> Value:
    """`[repeat, ranks]` (broadcast) as a column `[repeat]` if all ranks are alike, else `[ranks, repeat]`."""
    full = np.broadcast_to(values, (*values.shape[:-2], values.shape[-2], values.shape[-1]))
    if (full == full[..., :1]).all():
        return np.ascontiguousarray(np.broadcast_to(full[..., 0], (block.repeat,)))
    return np.ascontiguousarray(np.broadcast_to(full, (block.repeat, block.ranks)).T)


def _wide(node: int | Ints, block: Block) -> Ints:
    """A dependency of a node that is there once, as a column by rank if ranks differ."""
    return np.broadcast_to(node, (block.ranks,))[:, None] if np.ndim(node) else np.array([node])


def _by_member(values: Ints, partition: Ints) -> Value:
    """`[repeat, subsets]` as a column of the ranks' own subsets."""
    if (values == values[:, :1]).all():
        return np.ascontiguousarray(values[:, 0])
    ranks = np.empty((partition.size, len(values)), dtype=np.int64)
    for subset, column in zip(partition, values.T, strict=True):
        ranks[subset] = column
    return ranks


def _ranks(values: Ints) -> Ints:
    """`[ranks]` or `[ranks, repeat]` as a column by rank."""
    return values[:, None] if values.ndim == 1 else values
