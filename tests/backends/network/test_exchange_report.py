"""Reports of exchanges name what they wait for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from moec.backends.fast.backend import FastBackend
from moec.backends.network.alpha_beta import Network, network_of_cluster
from moec.backends.network.report import exchange_reports
from moec.compiler.ir.graph import AllToAll, Block, Collective, Dense, Graph, Op
from moec.compiler.lower import lower
from moec.dsl import schema
from moec.dsl.schema import (
    Cluster,
    Compute,
    Device,
    Fabric,
    FatTree,
    Link,
    Mesh,
    Moe,
    Node,
    RailOptimized,
    Routing,
    Zipf,
)  # fmt: skip
from support.cases import MIXTURE, experiment, program, random_batch

GPU = Device(80e9, 3e12, Compute(1e15), link=Link(300e9, 900e-9, 1.0, 0.0))
CARD = Link(40e9, 2500e-9, 1.0, 0.0)


def net(fabric: Fabric | None = None, **network: object) -> Network:
    node = Node(GPU, 4, fabric or Fabric())
    return network_of_cluster(Cluster(8, node, schema.Network(CARD, **network)))  # type: ignore[arg-type]


def graph_of(matrix: np.ndarray) -> Graph:
    """One all-to-all of all ranks, two layers; the second has half the bytes."""
    size = len(matrix)
    op = Op("dispatch", AllToAll("stage", Dense(np.stack([matrix, matrix / 2])[:, None])), "comm", enters=(0,))
    block = Block("layers", 2, (op,), (0,), 0, size)
    return Graph(size, {"stage": np.arange(size)[None]}, (block,))


def messages(*found: tuple[int, int, float], size: int = 32) -> np.ndarray:
    matrix = np.zeros((size, size))
    for a, b, volume in found:
        matrix[a, b] = volume
    return matrix


INCAST = messages(*((a, 12, 1e6) for a in range(12)))


def test_a_hot_receiver_is_the_bottleneck_by_name() -> None:
    (report,) = exchange_reports(graph_of(INCAST), net())
    assert report.time_us == pytest.approx((2500 + 12e6 / 40) / 1e3)
    worst = report.links[0]
    assert (worst.kind, worst.name, worst.way) == ("network card", "network card of rank 12", "receive")
    assert worst.bytes == 12e6
    assert report.bottleneck() == "network card of rank 12, receive, 99 % of the exchange"
    assert {(p.source, p.target) for p in report.pairs} <= {(a, 12) for a in range(12)}
    assert report.bytes == 12e6


@pytest.mark.parametrize(
    ("wiring", "traffic", "name"),
    [
        ({"topology": FatTree(8.0, 2)}, [(i, 8 + i, 1e6) for i in range(4)], "uplinks of nodes 0 to 1"),
        (
            {"topology": RailOptimized("spine", 8.0, 2)},
            [(0, 13, 1e6), (4, 14, 1e6)],
            "uplinks of the switch of rail 0 for nodes 0 to 1",
        ),
        ({"topology": "ring"}, [(i, 12 + i, 1e6) for i in range(4)], "link from node 0 to node 1"),
        ({"fabric": Fabric("fully_connected")}, [(5, 6, 1e6)], "scale-up link from rank 5 to rank 6"),
        ({"fabric": Fabric(Mesh(2, 2))}, [(20, 23, 1e6)], "scale-up link from rank 20 to rank 21"),
        ({}, [(20, 23, 1e6)], "scale-up port of rank 20"),
    ],
)
def test_every_kind_of_link_has_a_name(wiring: dict, traffic: list, name: str) -> None:
    (report,) = exchange_reports(graph_of(messages(*traffic)), net(**wiring))
    assert report.links[0].name == name


def test_links_that_carry_as_much_are_counted() -> None:
    even = np.ones((32, 32)) * 1e6
    (report,) = exchange_reports(graph_of(even), net())
    assert report.links[0].alike == 32
    assert report.bottleneck().startswith("network card of rank 0 (and 31 more like it), ")


def test_a_small_exchange_waits_for_latency() -> None:
    (report,) = exchange_reports(graph_of(messages((0, 8, 100.0))), net())
    assert report.fixed_us == pytest.approx(2.5)
    assert report.bottleneck() == "latency, 100 % of the exchange"


def test_the_busiest_link_is_the_time_less_what_is_fixed() -> None:
    matrix = np.random.default_rng(0).random((32, 32)) * 1e6
    for wired in (net(), net(topology=FatTree(4.0, 2)), net(Fabric("ring"), topology=RailOptimized("fabric", 2.0, 2))):
        (report,) = exchange_reports(graph_of(matrix), wired)
        assert report.links[0].time_us + report.fixed_us == pytest.approx(report.time_us)
        assert report.links[0].time_us == max(link.time_us for link in report.links)


def reduced(size: float, members: np.ndarray | None = None) -> Graph:
    """One all-reduce of `size` bytes over all 32 ranks, or over each subset of `members`."""
    groups = np.arange(32)[None] if members is None else members
    op = Op("reduce", Collective("all_reduce", "group", np.full((1, len(groups)), size)), "comm", enters=(0,))
    return Graph(32, {"group": groups}, (Block("layer", 1, (op,), (0,), 0, 32),))


def test_a_collective_says_how_it_runs_and_what_the_others_would_take() -> None:
    (report,) = exchange_reports(reduced(1e3), net())
    assert report.way == "rings inside nodes, a ring per rail between them"
    assert report.others[0][0] == "one ring"
    assert report.others[0][1] > report.time_us
    assert report.bottleneck().startswith("latency")


TP4 = np.arange(32).reshape(-1, 4)
RAILS = np.arange(32).reshape(-1, 4).T


@pytest.mark.parametrize(
    ("wiring", "members", "name"),
    [
        ({}, None, "network card of each of 32 ranks"),
        ({}, TP4, "scale-up port of each of 4 ranks"),
        ({}, RAILS, "network card of each of 8 ranks"),
        ({"fabric": Fabric("fully_connected")}, TP4, "scale-up links of each of 4 ranks"),
        ({"fabric": Fabric("ring")}, TP4, "busiest scale-up link"),
        ({"fabric": Fabric(Mesh(2, 2))}, TP4, "busiest scale-up link"),
        ({"topology": FatTree(16.0, 2)}, None, "uplinks of the busiest leaf switch"),
        ({"topology": RailOptimized("spine", 16.0, 2)}, None, "uplinks of the busiest rail switch"),
        ({"topology": Mesh(4, 2)}, RAILS, "busiest link between nodes"),
        (
            {"beyond": schema.Network(Link(1e9, 0.0, 1.0, 0.0)), "nodes": 4},
            None,
            "uplinks of the busiest group of 4 nodes",
        ),
    ],
)
def test_a_large_collective_waits_for_its_busiest_link(wiring: dict, members: np.ndarray | None, name: str) -> None:
    (report,) = exchange_reports(reduced(1e9, members), net(**wiring))
    busiest = report.links[0]
    assert busiest.name == name
    assert busiest.time_us == max(link.time_us for link in report.links)
    assert busiest.share > 0.5
    assert report.bottleneck() == f"{name}, {busiest.share:.0%} of the exchange".replace("%", " %")


@pytest.mark.parametrize("size", [1e2, 1e4, 1e6, 1e8])
@pytest.mark.parametrize("fabric", [None, Fabric("fully_connected"), Fabric("ring"), Fabric(Mesh(2, 2))], ids=str)
@pytest.mark.parametrize("collectives", ["flat", "hierarchical"])
def test_links_of_a_collective_fill_the_time_that_latency_leaves(size: float, fabric: Fabric, collectives: str) -> None:
    """In one ring the busiest link takes all of it; in steps, one inside the nodes and one between them take it together."""
    wired = replace(net(fabric, topology=FatTree(3.0, 2)), collectives=collectives)  # type: ignore[arg-type]
    (report,) = exchange_reports(reduced(size), wired)
    inside, between = (
        max(link.time_us for link in report.links if link.kind.startswith("scale-up") is near) for near in (True, False)
    )
    moving = max(inside, between) if collectives == "flat" else inside + between
    assert report.fixed_us + moving == pytest.approx(report.time_us)
    waits_for_latency = report.fixed_us >= max(inside, between)
    assert report.bottleneck().startswith("latency") is waits_for_latency


def test_a_port_carries_its_share_of_the_buffer() -> None:
    """Of an all-reduce in a ring of n, 2 (n − 1) / n of the buffer leave each member (Thakur et al. 2005)."""
    (report,) = exchange_reports(reduced(1e6, TP4), net())
    assert report.links[0].bytes == pytest.approx(1.5e6)


def test_skew_makes_a_hot_rank_that_holds_the_exchange_up() -> None:
    """The hotter the hottest expert, the longer the exchange, and the report names a receiver."""
    times = []
    for exponent in (0.0, 0.8, 1.6):
        e = experiment(
            replace(MIXTURE, moe=Moe(64, 4, 512)), dp=16, routing=Routing(Zipf(exponent), "same", 1), per_node=4
        )
        batch = tuple(
            replace(r, new=np.full(1, 512), context=np.zeros(1, dtype=np.int64))
            for r in random_batch(np.random.default_rng(0), 16)
        )
        graph = lower(program(e), batch, "drawn")
        report = next(r for r in FastBackend.of(e).exchanges(graph) if r.op == "dispatch")
        times.append(report.time_us)
    assert times == sorted(times)
    assert times[2] > 1.5 * times[0]
    assert report.links[0].way == "receive"
    assert report.links[0].alike == 1
