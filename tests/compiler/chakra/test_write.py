"""Written traces, read back with protobuf: every node, dependency and attribute is what the graph says."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from moec.compiler.chakra.schema import message_class
from moec.compiler.chakra.wire import varint
from moec.compiler.chakra.writing.exchange import custom_files
from moec.compiler.chakra.writing.write import Traces, trace
from moec.compiler.ir.batch import RankBatch
from moec.compiler.ir.graph import AllToAll, Collective, Compute, Graph
from moec.compiler.ir.verify import matrix
from moec.compiler.lower import lower
from moec.dsl.schema import Routing, Zipf
from support.cases import DENSE, MIXTURE, SHARED, WINDOWED, experiment, program, random_batch

CASES = {
    "dense tp": (DENSE, {"tp": 4}),
    "dense tp pp": (DENSE, {"tp": 2, "pp": 2}),
    "wide ep": (MIXTURE, {"dp": 8}),
    "tp and dp": (MIXTURE, {"tp": 2, "dp": 4}),
    "gathered": (MIXTURE, {"dp": 4, "method": "allgather_reducescatter"}),
    "two batches, two stages": (SHARED, {"tp": 2, "dp": 2, "pp": 2, "overlap": "two_batch"}),
    "behind the shared expert": (SHARED, {"dp": 4, "overlap": "shared_expert"}),
    "windowed": (WINDOWED, {"dp": 2}),
}


def graph(name: str, skew: float = 1.0) -> Graph:
    model, plan = CASES[name]
    e = experiment(model, per_node=8, routing=Routing(Zipf(skew), "shuffled", 3), **plan)  # type: ignore[arg-type]
    return lower(program(e), random_batch(np.random.default_rng(1), e.parallelism.attention.dp), "drawn")


def read(file: bytes) -> list[Any]:
    """The nodes of a trace, through protobuf; the first message is the metadata."""
    messages, place = [], 0
    while place < len(file):
        length, shift = 0, 0
        while True:
            byte = file[place]
            length |= (byte & 0x7F) << shift
            place, shift = place + 1, shift + 7
            if byte < 0x80:
                break
        messages.append(file[place : place + length])
        place += length
    assert message_class("GlobalMetadata").FromString(messages[0]).version == "0.0.4"
    return [message_class("Node").FromString(m) for m in messages[1:]]


def attributes(node: Any) -> dict[str, Any]:
    return {a.name: getattr(a, a.WhichOneof("value")) for a in node.attr}


def all_nodes(traces: Traces) -> list[list[Any]]:
    return [read(traces.file(rank)) for rank in range(traces.world)]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("encoding", ["custom", "sendrecv", "padded"])
def test_a_trace_set_is_whole(case: str, encoding: str) -> None:
    """Ids are unique and ascend, dependencies exist and point back, and every collective has the same id on all members."""
    traces = trace(graph(case), encoding=encoding)  # type: ignore[arg-type]
    ranks = all_nodes(traces)
    assert traces.nodes == sum(len(nodes) for nodes in ranks)
    seen: dict[int, set[int]] = defaultdict(set)
    for rank, nodes in enumerate(ranks):
        ids = [n.id for n in nodes]
        assert len(set(ids)) == len(ids)
        known = set(ids)
        for n in nodes:
            deps = [*n.data_deps, *n.ctrl_deps]
            assert set(deps) <= known
            assert all(d < n.id for d in deps)
            assert len(set(n.data_deps)) == len(n.data_deps)
            if n.type == 7:
                seen[n.id].add(rank)
        assert any(not n.data_deps and not n.ctrl_deps for n in nodes)
    groups = {frozenset(m) for m in traces.communicators.members.values()} | {frozenset(range(traces.world))}
    stages = [m for m in groups if len(m) > 1]
    assert all(any(set(g) <= members for g in stages) for members in seen.values())
    assert all(len(m) > 1 for m in traces.communicators.members.values())


@pytest.mark.parametrize("case", CASES)
def test_kernels_keep_their_nanoseconds(case: str) -> None:
    g = graph(case)
    written = [
        sorted(attributes(n)["num_ops"] for n in nodes if n.type == 4)
        for nodes in all_nodes(trace(g, encoding="padded"))
    ]
    for block_rank, times in enumerate(written):
        expected: list[int] = []
        for block in g.blocks:
            local = block_rank - block.first_rank
            if 0 <= local < block.ranks:
                for op in block.ops:
                    if isinstance(op.work, Compute):
                        full = np.broadcast_to(op.work.cost.time_ns, (block.repeat, block.ranks))
                        expected += np.maximum(full[:, local], 1).tolist()
        assert times == sorted(expected)


def test_collectives_carry_the_bytes_of_the_graph() -> None:
    """All-reduce and reduce-scatter: the full buffer; all-gather: one rank's part; rounded up to what divides evenly."""
    g = graph("tp and dp")
    sizes = [attributes(n) for n in all_nodes(trace(g, splits=8))[0] if n.type == 7 and attributes(n)["comm_type"] == 0]
    (block,) = [b for b in g.blocks if b.repeat > 1]
    (op,) = [o for o in block.ops if o.name == "attn_all_reduce"]
    assert isinstance(op.work, Collective)
    full = np.broadcast_to(op.work.bytes, (block.repeat, 4))[:, 0]
    assert all(s["comm_size"] % 16 == 0 for s in sizes)
    assert {-(-int(f) // 16) * 16 for f in full} <= {s["comm_size"] for s in sizes}
    assert {s["pg_name"] for s in sizes} == {"1"}


@pytest.mark.parametrize("splits", [1, 8])
def test_ranks_that_sample_nothing_gather_something(splits: int) -> None:
    """One request in two micro-batches leaves its ranks a half without logits; the simulator never ends a gather of none."""
    e = experiment(MIXTURE, per_node=8, tp=2, dp=2, overlap="two_batch")
    lone, many = (RankBatch(np.ones(n, np.int64), np.full(n, 100)) for n in (1, 6))
    g = lower(program(e), (lone, many))
    gathers = [
        o.work for b in g.blocks for o in b.ops if isinstance(o.work, Collective) and o.work.kind == "all_gather"
    ]
    assert any((np.asarray(w.bytes) == 0).any() and (np.asarray(w.bytes) > 0).any() for w in gathers)

    for nodes in all_nodes(trace(g, splits=splits)):
        sizes = [attributes(n)["comm_size"] for n in nodes if n.type == 7 and attributes(n)["comm_type"] == 2]
        assert sizes
        assert min(sizes) >= splits


def test_custom_exchanges_move_the_matrix() -> None:
    g = graph("wide ep")
    traces = trace(g)
    (block,) = [b for b in g.blocks if b.repeat > 1]
    dispatch = [op.work for op in block.ops if op.name == "dispatch"]
    assert isinstance(dispatch[0], AllToAll)
    wanted = matrix(dispatch[0])[:, 0]
    named = {n.id: n.name for n in all_nodes(traces)[0]}
    layers = [pairs for label, pairs in sorted(traces.custom.items()) if ".dispatch." in named[label]]
    assert np.array_equal(np.stack(layers), wanted)
    label, pairs = next(iter(traces.custom.items()))
    got = np.zeros_like(pairs)
    taken = np.zeros_like(pairs)
    for me, file in enumerate(custom_files(pairs, label)):
        for n in read(file):
            a = attributes(n)
            if n.type == 5:
                got[me, a.get("comm_dst", 0)] += a["comm_size"]
            elif n.type == 6:
                taken[a.get("comm_src", 0), me] += a["comm_size"]
    assert np.array_equal(got, pairs)
    assert np.array_equal(taken, pairs)


def test_a_member_with_nothing_to_move_still_has_a_node() -> None:
    pairs = np.array([[0, 5, 0], [0, 0, 0], [0, 0, 0]])
    assert [len(read(f)) for f in custom_files(pairs, 1)] == [1, 1, 1]
    assert read(custom_files(pairs, 1)[2])[0].type == 4


def test_uniform_exchanges_need_no_custom_set() -> None:
    traces = trace(graph("wide ep"), encoding="padded")
    assert not traces.custom
    a2a = [attributes(n) for n in all_nodes(traces)[0] if n.type == 7]
    assert {a["comm_type"] for a in a2a} == {6}


def test_ranks_that_behave_alike_share_their_file() -> None:
    traces = trace(graph("dense tp"))
    assert len({traces.content(r) for r in range(traces.world)}) == 1
    assert traces.file(0) == traces.file(3)


def test_the_same_graph_gives_the_same_bytes() -> None:
    first, second = (trace(graph("two batches, two stages")) for _ in range(2))
    assert [first.file(r) for r in range(first.world)] == [second.file(r) for r in range(second.world)]


def test_shortest_varints() -> None:
    assert [varint(v).hex() for v in (0, 1, 127, 128, 300)] == ["00", "01", "7f", "8001", "ac02"]
