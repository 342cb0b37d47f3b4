"""All-to-alls with unequal messages: what each encoding makes of a matrix of bytes."""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np

from moec.arrays import Ints
from moec.compiler.chakra.node import GLOBAL_METADATA, NodeType, messages, node
from moec.compiler.chakra.wire import render
from moec.compiler.ir.graph import AllToAll, Collective, Dense, Graph
from moec.compiler.ir.verify import whole

Encoding = Literal["custom", "sendrecv", "padded"]
"""`custom`: a trace set of sends and receives per op; `sendrecv`: send and receive nodes in the trace itself; `padded`: a
uniform collective in which every rank moves as much as the busiest one.
"""

DISTORTS: dict[Encoding, str] = {
    "custom": "nothing in the sizes; the messages of one exchange are all in flight at once",
    "sendrecv": "a rank's sends follow each other (the simulator has one communication slot), and so each pays its latency",
    "padded": "every pair moves the same bytes, so that every rank moves what the busiest one does",
}


def whole_matrix(work: AllToAll) -> Ints:
    """Whole bytes from member to member, `[repeat, subsets, size, size]`, nothing on the diagonal."""
    pairs = np.rint(whole(work)).astype(np.int64)
    member = np.arange(pairs.shape[-1])
    pairs[..., member, member] = 0
    return pairs


def repeats(work: AllToAll) -> int:
    """In how many repeats an exchange is told apart: 1 where one stands for all."""
    pairs = work.pairs
    return len(pairs.bytes) if isinstance(pairs, Dense) else max(len(pairs.sent), len(pairs.share))


def spelled_as_sets(pairs: Ints, encoding: Encoding) -> bool:
    """Whether an exchange becomes custom sets: where any repeat of it is skewed."""
    return encoding == "custom" and not all(_is_uniform(repeat) for repeat in pairs)


def _is_uniform(pairs: Ints) -> bool:
    """All pairs of all subsets `[subsets, n, n]` exchange the same bytes."""
    size = pairs.shape[-1]
    row = pairs[0, 0, 1:]
    if (row != row[:1]).any():
        return False
    return bool(((pairs == row[:1]) | np.eye(size, dtype=bool)).all())


def has_sets(graph: Graph, encoding: Encoding) -> bool:
    """Whether any exchange of the graph becomes custom sets, which decides in how many pieces collectives run."""
    works = (op.work for block in graph.blocks for op in block.ops)
    return any(spelled_as_sets(whole_matrix(work), encoding) for work in works if isinstance(work, AllToAll))


def has_collectives(graph: Graph, encoding: Encoding) -> bool:
    """Whether any op of the graph runs by the simulator's own algorithms."""
    works = [op.work for block in graph.blocks for op in block.ops]
    alone = (work for work in works if isinstance(work, AllToAll) and encoding != "sendrecv")
    return any(isinstance(work, Collective) for work in works) or any(
        not spelled_as_sets(whole_matrix(work), encoding) for work in alone
    )


def collective_size(work: Collective, size: int, splits: int) -> Ints:
    """The trace's `comm_size` `[repeat, subsets]` of a collective of `size` ranks: an all-gather's is one rank's part.

    Rounded up to what divides evenly into `splits` pieces: the simulator would add a whole piece for a rest. Of nothing
    (the logits of ranks that sample no token) a byte: the simulator never ends an all-gather of none.
    """
    full = np.maximum(np.ceil(work.bytes), 1).astype(np.int64)
    per = -(-full // size) if work.kind == "all_gather" else full
    step = splits * (1 if work.kind == "all_gather" else size)
    rounded: Ints = -(-per // step) * step
    return rounded


def alltoall_size(pairs: Ints, splits: int) -> Ints:
    """The same of an all-to-all as one collective, padded: the whole send buffer, a rank's own part included."""
    size = pairs.shape[-1]
    rounded: Ints = -(-padded(pairs) * size // (splits * size)) * (splits * size)
    return rounded


def padded(pairs: Ints) -> Ints:
    """Bytes per pair, `[repeat, subsets]`, that give every rank the busiest one's traffic."""
    busiest = np.maximum(pairs.sum(axis=-1).max(axis=-1), pairs.sum(axis=-2).max(axis=-1))
    each: Ints = -(-busiest // (pairs.shape[-1] - 1))
    return each


def custom_files(pairs: Ints, label: int) -> list[bytes]:
    """The traces of all members of one group, `pairs` `[size, size]`: their sends and receives, all free to go.

    Members are counted from 0, which is what the simulator does in files of a communicator group. Member m's sends are
    numbered by destination from m + 1 round to m − 1: issued in the order of their numbers (in whichever the simulator
    takes), they go to all different members at a time. Numbered alike, all would queue at one member's port.
    """
    sends = _messages(pairs, NodeType.SEND, np.zeros(len(pairs), dtype=np.int64), label)
    sent = np.count_nonzero(pairs, axis=1)
    receives = _messages(pairs.T, NodeType.RECV, sent, label)
    return [GLOBAL_METADATA + ((s + r) or IDLE) for s, r in zip(sends, receives, strict=True)]


def _messages(pairs: Ints, kind: NodeType, before: Ints, label: int) -> list[bytes]:
    """Row by row the nodes of a matrix's entries; `before[row]` nodes stand in that row's file already."""
    row, peer = rotated(pairs)
    counts = np.bincount(row, minlength=len(pairs))
    if not len(row):
        return [b""] * len(pairs)
    start = np.concatenate(([0], np.cumsum(counts)))
    ids = 1 + before[row] + np.arange(len(row)) - start[row]
    rows = render(node(ids, (), kind, (), (), messages(kind, peer, pairs[row, peer], label)), len(row)).base
    return [rows[a:b].tobytes() for a, b in itertools.pairwise(start.tolist())]


def rotated(pairs: Ints) -> tuple[Ints, Ints]:
    """Row and column of each entry that is not zero, row by row; within row m from column m + 1 round to m − 1."""
    row, peer = np.nonzero(pairs)
    order = np.lexsort(((peer - row) % len(pairs), row))
    return row, peer[order]


IDLE = render(node(1, (b"idle",), NodeType.COMP, (), (), ()), 1).of(0)
"""A rank with nothing to move still needs a node: a replayed kernel of zero microseconds takes 1 ns."""
