"""Two-phase exchanges: what crosses the network is what the routing says, and only that may be less."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from moec.backends.fast.backend import FastBackend
from moec.backends.fast.durations import alltoall_whole
from moec.backends.network.alpha_beta import exchange_loads
from moec.compiler.ir.graph import AllToAll, Block, Dense, Graph, Op
from moec.compiler.ir.verify import verify
from moec.compiler.lower import lower
from moec.compiler.placement.slots import Slots
from moec.compiler.routing.law import routing_law
from moec.compiler.routing.math.cells import counts_of
from moec.dsl.schema import Experiment, ExpertPlan, Moe, Routing, Zipf
from support.cases import MIXTURE, experiment, program, random_batch

pytestmark = pytest.mark.slow  # draws exchanges

WIDE = replace(MIXTURE, moe=Moe(64, 8, 512))


def plan(
    route: str = "two_phase", model=WIDE, dp: int = 16, per_node: int = 4, zipf: float = 0.8, **more
) -> Experiment:
    return experiment(model, dp=dp, per_node=per_node, routing=Routing(Zipf(zipf), "shuffled", 1), route=route, **more)


def exchange(e: Experiment, name: str = "dispatch", mode: str = "drawn", seed: int = 0) -> tuple[AllToAll, Graph]:
    batch = random_batch(np.random.default_rng(seed), e.parallelism.attention.dp)
    graph = lower(program(e), batch, mode)
    op = next(op for block in graph.blocks for op in block.ops if op.name == name)
    assert isinstance(op.work, AllToAll)
    return op.work, graph


def bytes_by(work: AllToAll, graph: Graph, e: Experiment) -> dict[tuple[str, str], np.ndarray]:
    """Bytes in the first layer, by kind of port and way."""
    backend = FastBackend.of(e)
    loads, _ = exchange_loads(work.pairs, graph.groups[work.group], backend.net, work.relay)
    return {(load.kind, load.way): load.bytes[0, 0] for load in loads}


def test_distinct_nodes_are_counted_token_by_token() -> None:
    rng = np.random.default_rng(1)
    slots = Slots(np.arange(32)[None], 32, 16)
    slot = np.stack([rng.choice(32, 6, replace=False) for _ in range(500)])
    source = rng.integers(0, 8, 500)
    _, hits, visits, nodes = counts_of(slot, slots, np.sort(source), 8, 4)
    cells, expected = slot // 2, np.zeros((8, 4), dtype=int)
    for token, s in enumerate(np.sort(source)):
        for node in {int(c) // 4 for c in cells[token]}:
            expected[s, node] += 1
    assert nodes.tolist() == expected.tolist()
    assert (hits.reshape(8, 4, 4).max(-1) <= nodes).all()
    assert (nodes <= hits.reshape(8, 4, 4).sum(-1)).all()
    assert visits.sum() == 500 * 6


def test_network_bytes_are_tokens_times_distinct_nodes() -> None:
    e = plan()
    law, _ = routing_law(e)
    assert law is not None
    work, graph = exchange(e)
    tokens = np.array([rank.new.sum() for rank in random_batch(np.random.default_rng(0), 16)])
    drawn = law.drawn(tokens)
    own = np.arange(16) // 4
    leaving = drawn.node_hits[0].sum(-1) - drawn.node_hits[0][np.arange(16), own]
    sent = bytes_by(work, graph, e)["network card", "send"]
    assert sent.tolist() == (leaving * 1024 * 2).tolist()


@pytest.mark.parametrize("name", ["dispatch", "combine"])
def test_only_the_network_gains(name: str) -> None:
    """Every rank gets the same tokens in the end, and over the fabric; between nodes a token travels once."""
    (work, graph), (straight, other) = exchange(plan(), name), exchange(plan("direct"), name)
    assert np.array_equal(work.pairs.bytes, straight.pairs.bytes)
    two, one = bytes_by(work, graph, plan()), bytes_by(straight, other, plan("direct"))
    ends = "receive" if name == "dispatch" else "send"
    assert two["network card", ends].sum() < 0.75 * one["network card", ends].sum()
    assert two["scale-up port", ends].sum() >= one["scale-up port", ends].sum()
    arriving = straight.pairs.bytes[0, 0].sum(-2 if name == "dispatch" else -1)
    diagonal = np.diagonal(straight.pairs.bytes[0, 0])
    assert (two["scale-up port", ends] <= arriving - diagonal).all()


def test_within_a_node_there_is_nothing_to_gain() -> None:
    batch = random_batch(np.random.default_rng(0), 4)
    times = [
        int(FastBackend.of(e).run(lower(program(e), batch, mode)).makespan_ns)
        for mode in ("expected", "drawn")
        for e in (plan("two_phase", dp=4), plan("direct", dp=4))
    ]
    assert times[0] == times[1]
    assert times[2] == times[3]


def test_with_one_expert_a_token_has_nothing_to_share() -> None:
    single = replace(MIXTURE, moe=Moe(64, 1, 512))
    (work, graph), (straight, other) = (exchange(plan(route, single)) for route in ("two_phase", "direct"))
    two, one = bytes_by(work, graph, plan()), bytes_by(straight, other, plan("direct"))
    assert two["network card", "send"].sum() == one["network card", "send"].sum()


def test_without_deduplication_every_copy_crosses_the_network() -> None:
    (work, graph), (straight, other) = (exchange(plan(r, deduplicate=False)) for r in ("two_phase", "direct"))
    two, one = bytes_by(work, graph, plan()), bytes_by(straight, other, plan("direct"))
    assert two["network card", "send"].sum() == one["network card", "send"].sum()


def test_two_phases_pay_where_the_network_is_the_bottleneck() -> None:
    batch = random_batch(np.random.default_rng(0), 16)
    fast, slow = (
        int(FastBackend.of(e).run(lower(program(e), batch, "drawn")).makespan_ns) for e in (plan(), plan("direct"))
    )
    assert fast < slow


def test_slices_of_an_expert_go_with_its_node() -> None:
    """Four ranks share an expert: a node of four gets a token once, in place of four times."""
    sliced = ExpertPlan(tp=4)
    (work, graph), (straight, other) = (exchange(plan(r, experts=sliced)) for r in ("two_phase", "direct"))
    two, one = bytes_by(work, graph, plan()), bytes_by(straight, other, plan("direct"))
    assert two["network card", "send"].sum() * 4 == one["network card", "send"].sum()


@pytest.mark.parametrize("zipf", [0.0, 0.8])
@pytest.mark.parametrize("deduplicate", [True, False])
def test_expected_two_phase_times_are_those_of_draws(zipf: float, deduplicate: bool) -> None:
    e = plan(zipf=zipf, deduplicate=deduplicate)
    built, backend = program(e), FastBackend.of(e)
    batch = tuple(
        replace(rank, new=np.full(64, 4), context=np.full(64, 100))
        for rank in random_batch(np.random.default_rng(0), 16)
    )

    def mean_us(mode: str, draw: int = 0) -> float:
        graph = lower(built, batch, mode, draw)  # type: ignore[arg-type]
        works = [op.work for block in graph.blocks for op in block.ops if op.name == "dispatch"]
        return float(np.mean([alltoall_whole(w, graph.groups["stage"], backend.net).mean() for w in works]) / 1e3)

    assert mean_us("expected") == pytest.approx(np.mean([mean_us("drawn", i) for i in range(10)]), rel=0.04)


def test_forwarding_needs_whole_nodes() -> None:
    work, _ = exchange(plan())
    backend = FastBackend.of(plan())
    with pytest.raises(ValueError, match="whole nodes"):
        exchange_loads(Dense(work.pairs.bytes[..., :14, :14]), np.arange(14)[None], backend.net, work.relay)


@pytest.mark.parametrize("mode", ["expected", "drawn"])
@pytest.mark.parametrize("deduplicate", [True, False])
@pytest.mark.parametrize("model", [WIDE, replace(MIXTURE, moe=Moe(64, 1, 512))], ids=["top 8", "top 1"])
def test_graphs_obey_their_rules_and_a_wrong_relay_is_found(mode: str, deduplicate: bool, model) -> None:
    work, graph = exchange(plan(model=model, deduplicate=deduplicate), mode=mode)
    assert verify(graph) == []
    assert work.relay is not None
    entering = work.relay.entering
    wrong = (
        replace(entering, bytes=entering.bytes * 9)
        if isinstance(entering, Dense)
        else replace(entering, share=entering.share * 9)
    )
    op = Op("dispatch", replace(work, relay=replace(work.relay, entering=wrong)), "comm", enters=(0,))
    back = replace(op, name="combine", work=replace(work, relay=None), deps=(0,), enters=())
    broken = Graph(
        16,
        graph.groups,
        (Block("layer", len(wrong.bytes) if isinstance(wrong, Dense) else 1, (op, back), (1,), 0, 16),),
    )
    assert any(fault.startswith("relayed: layer.dispatch") for fault in verify(broken))
