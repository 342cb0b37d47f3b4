"""The rules that every graph obeys, as a table: each rule names what it found wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from moec.arrays import Array
from moec.compiler.ir.graph import AllToAll, Block, Collective, Compute, Dense, Graph, Op, SendRecv, Transfer

Rule = Callable[[Graph], Iterator[str]]


def verify(graph: Graph) -> list[str]:
    """What is wrong with `graph`; empty when nothing is."""
    return [f"{name}: {fault}" for name, rule in RULES.items() for fault in rule(graph)]


def _ops(graph: Graph) -> Iterator[tuple[Block, int, Op]]:
    for block in graph.blocks:
        for i, op in enumerate(block.ops):
            yield block, i, op


def _acyclic(graph: Graph) -> Iterator[str]:
    for block, i, op in _ops(graph):
        if any(d >= i or d < 0 for d in op.deps):
            yield f"{block.name}.{op.name} waits for an op that does not come before it"
        if any(lane >= graph.lanes for lane in op.enters):
            yield f"{block.name}.{op.name} enters a lane that does not exist"


def _connected(graph: Graph) -> Iterator[str]:
    for block in graph.blocks:
        if len(block.exits) != graph.lanes:
            yield f"{block.name} has {len(block.exits)} exits for {graph.lanes} lanes"
        loose = [op.name for op in block.ops if not op.deps and not op.enters]
        if loose:
            yield f"{block.name}: nothing leads to {', '.join(loose)}"


def _placed(graph: Graph) -> Iterator[str]:
    for block in graph.blocks:
        if block.repeat < 1 or block.ranks < 1 or block.first_rank + block.ranks > graph.world:
            yield f"{block.name} lies outside the world of {graph.world} ranks"


def _partitioned(graph: Graph) -> Iterator[str]:
    for name, members in graph.groups.items():
        ranks = np.sort(members.reshape(-1))
        if not np.array_equal(ranks, np.arange(len(ranks))):
            yield f"group {name} is not a partition"
        if (np.diff(members, axis=-1) <= 0).any():
            yield f"group {name} is not ascending"


def _grouped(graph: Graph) -> Iterator[str]:
    for block, _, op in _ops(graph):
        if isinstance(op.work, Collective | AllToAll):
            members = graph.groups.get(op.work.group)
            if members is None or members.size != block.ranks:
                yield f"{block.name}.{op.name} uses group {op.work.group}, which does not cover its ranks"
            elif members.shape[-1] == 1:
                yield f"{block.name}.{op.name} is an exchange of single ranks"


def _sized(graph: Graph) -> Iterator[str]:
    for block, _, op in _ops(graph):
        for what, values in _quantities(op):
            if (np.asarray(values) < 0).any() or not np.isfinite(np.asarray(values, dtype=float)).all():
                yield f"{block.name}.{op.name} has negative or infinite {what}"
            elif not np.any(values):
                yield f"{block.name}.{op.name} has no {what} on any rank"


def _quantities(op: Op) -> Iterator[tuple[str, Array]]:
    match op.work:
        case Compute():
            yield "time", op.work.cost.time_ns
        case Collective() | SendRecv() | Transfer():
            yield "bytes", op.work.bytes
        case AllToAll():
            yield "bytes", op.work.pairs.bytes if isinstance(op.work.pairs, Dense) else op.work.pairs.sent


def _returned(graph: Graph) -> Iterator[str]:
    """What is dispatched is combined: token for token, in the opposite direction."""
    for block in graph.blocks:
        out = [op for op in block.ops if op.name == "dispatch"]
        back = [op for op in block.ops if op.name == "combine"]
        if len(out) != len(back):
            yield f"{block.name} dispatches {len(out)} times and combines {len(back)} times"
            continue
        for sent, returned in zip(out, back, strict=True):
            if not _opposite(sent, returned):
                yield f"{block.name}: what {returned.name} returns is not what {sent.name} sent"


def _relayed(graph: Graph) -> Iterator[str]:
    """Into each node goes at least what its busiest member gets, and at most what all of them get together."""
    for block, _, op in _ops(graph):
        if not isinstance(op.work, AllToAll) or op.work.relay is None:
            continue
        entering = _entering(op.work)
        there = whole(op.work)
        there = np.swapaxes(there, -1, -2) if op.work.relay.reverse else there
        by_node = there.reshape(*there.shape[:-1], entering.shape[-1], -1)
        least, most = by_node.max(axis=-1), by_node.sum(axis=-1)
        if (entering < least * (1 - 1e-9)).any() or (entering > most * (1 + 1e-9)).any():
            yield f"{block.name}.{op.name} brings other bytes into nodes than their members get"


def _entering(work: AllToAll) -> Array:
    assert work.relay is not None
    entering = work.relay.entering
    if isinstance(entering, Dense):
        return np.asarray(entering.bytes, dtype=float)
    outer: Array = entering.sent[..., :, None] * entering.share[..., None, :]
    return outer


def _opposite(sent: Op, returned: Op) -> bool:
    """The two matrices are each other's transpose up to the ratio of their data types."""
    if not (isinstance(sent.work, AllToAll) and isinstance(returned.work, AllToAll)):
        return True
    a, b = (matrix(w.work) for w in (sent, returned))  # type: ignore[arg-type]
    ratio = b.sum() / a.sum() if a.sum() else 1.0
    return bool(np.allclose(np.swapaxes(b, -1, -2), a * ratio))


def matrix(work: AllToAll) -> Array:
    """Bytes from member to member, `[…, repeat, subsets, size, size]`, the diagonal zero."""
    full = whole(work)
    return full * ~np.eye(full.shape[-1], dtype=bool)


def whole(work: AllToAll) -> Array:
    """The same with what stays at home."""
    pairs = work.pairs
    if isinstance(pairs, Dense):
        full = np.asarray(pairs.bytes, dtype=float)
    else:
        full = pairs.sent[..., :, None] * pairs.share[..., None, :]
        full = np.swapaxes(full, -1, -2) if pairs.reverse else full
    return full


RULES: dict[str, Rule] = {
    "acyclic": _acyclic,
    "connected": _connected,
    "placed": _placed,
    "partitioned": _partitioned,
    "grouped": _grouped,
    "sized": _sized,
    "returned": _returned,
    "relayed": _relayed,
}
