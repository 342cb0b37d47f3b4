"""What topologies differ in: rails, oversubscription, tiers, rings and meshes, in figures that one can do by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moec.backends.network.alpha_beta import (
    Network,
    Tier,
    alltoall_ns,
    collective_ns,
    collective_ways,
    exchange_loads,
    network_of_cluster,
    send_costs,
)
from moec.backends.network.lattice import Lattice
from moec.compiler.ir.graph import Dense
from moec.dsl import schema
from moec.dsl.schema import Cluster, Compute, Device, Fabric, FatTree, Link, Mesh, Node, RailOptimized

GPU = Device(80e9, 3e12, Compute(1e15), link=Link(300e9, 900e-9, 1.0, 0.0))
CARD = Link(40e9, 2500e-9, 1.0, 0.0)


def cluster(count: int = 8, per_node: int = 4, fabric: Fabric | None = None, **network: object) -> Network:
    node = Node(GPU, per_node, fabric or Fabric())
    return network_of_cluster(Cluster(count, node, schema.Network(CARD, **network)))  # type: ignore[arg-type]


def one(size: int, *messages: tuple[int, int, float]) -> Dense:
    """Bytes of single messages."""
    matrix = np.zeros((1, 1, size, size))
    for a, b, volume in messages:
        matrix[0, 0, a, b] = volume
    return Dense(matrix)


def ns(net: Network, *messages: tuple[int, int, float], size: int = 32) -> float:
    return float(alltoall_ns(one(size, *messages), np.arange(size)[None], net)[0, 0])


def busiest(net: Network, *messages: tuple[int, int, float], size: int = 32) -> dict[tuple[str, str], float]:
    loads, _ = exchange_loads(one(size, *messages), np.arange(size)[None], net)
    return {(load.kind, load.way): float(load.bytes.max()) for load in loads}


def test_a_message_to_another_rail_changes_rails_in_its_node_or_crosses_the_spine() -> None:
    fabric, spine = (cluster(topology=RailOptimized(how, 4.0)) for how in ("fabric", "spine"))
    cross, same = (0, 5, 1e6), (0, 4, 1e6)
    assert busiest(fabric, cross)["scale-up port", "send"] == 1e6
    assert busiest(spine, cross)["scale-up port", "send"] == 0
    assert busiest(fabric, cross)["rail switch", "send"] == 0
    assert busiest(spine, cross)["rail switch", "send"] == 1e6
    for net in (fabric, spine):
        assert busiest(net, same)["rail switch", "send"] == busiest(net, same)["scale-up port", "send"] == 0


def test_one_sender_to_all_rails_has_all_cards_of_its_node_on_the_fabric_and_one_on_the_spine() -> None:
    spread = [(0, 4 + rail, 1e6) for rail in range(4)]
    fabric, spine = (cluster(topology=RailOptimized(how)) for how in ("fabric", "spine"))
    assert ns(fabric, *spread) == pytest.approx(900 + 2500 + 1e6 / 40)
    assert ns(spine, *spread) == pytest.approx(2500 + 4e6 / 40)
    assert ns(cluster(), *spread) == ns(spine, *spread), "a full spine is a switch"


def test_oversubscription_divides_what_leaves_a_leaf_switch_and_nothing_else() -> None:
    """Two nodes of four cards to a leaf; all of node 0 sends to node 1 (same leaf), or to node 2."""
    near, far = ([(i, 4 * node + i, 1e6) for i in range(4)] for node in (1, 2))
    for over, slower in ((1.0, 1.0), (2.0, 1.0), (4.0, 2.0), (8.0, 4.0)):  # two nodes share the uplinks, one uses them
        net = cluster(topology=FatTree(over, 2))
        assert ns(net, *near) == pytest.approx(2500 + 1e6 / 40)
        assert ns(net, *far) == pytest.approx(2500 + slower * 1e6 / 40)


def test_tiers_beyond_have_rates_and_latencies_of_their_own() -> None:
    far = schema.Network(Link(5e9, 9e-6, 1.0, 1e-6), nodes=8, beyond=schema.Network(Link(1e9, 50e-6, 1.0, 2e-6)))
    net = cluster(16, nodes=2, beyond=far)
    everybody = [[(i, 4 * node + i, 1e6) for i in range(4)] for node in (1, 2, 8)]
    times = [
        float(alltoall_ns(one(size, *m), np.arange(size)[None], net)[0, 0])
        for m, size in zip(everybody, (8, 12, 64), strict=True)
    ]
    assert times == pytest.approx([2500 + 1e6 / 40, 1000 + 9000 + 4e6 / (5 * 8), 2000 + 50000 + 4e6 / (1 * 32)])


def test_switches_and_nodes_on_the_way_add_their_hops() -> None:
    tree = cluster(topology=FatTree(1.0, 2), hop=100e-9)
    assert float(alltoall_ns(one(8, (0, 4, 4e3)), np.arange(8)[None], tree)[0, 0]) == pytest.approx(2500 + 100)
    assert ns(tree, (0, 4, 4e3)) == pytest.approx(2500 + 200 + 100)
    ring = cluster(topology="ring", hop=100e-9)
    assert ns(ring, (0, 4, 4e3)) == pytest.approx(2500 + 3 * 100 + 100), (
        "the farthest two of eight are four links apart"
    )


def test_neighbouring_nodes_pass_on_what_goes_further() -> None:
    """Eight nodes of four 40 GB/s cards in a ring: links of 80 GB/s; node 0 sends to node 3 over three of them."""
    ring = cluster(topology="ring")
    heavy = [(i, 12 + i, 1e6) for i in range(4)]
    assert ns(ring, *heavy) == pytest.approx(2500 + 4e6 / 80)
    assert ns(ring, *heavy, *[(4 + i, 12 + i, 1e6) for i in range(4)]) == pytest.approx(2500 + 8e6 / 80)
    mesh = cluster(topology=Mesh(4, 2))
    assert ns(mesh, *heavy) == pytest.approx(2500 + 4e6 / 40)


def test_a_wafer_routes_along_rows_first_and_pays_for_hops() -> None:
    wafer = Fabric(Mesh(5, 5), 1.7e12, hop=200e-9, routing="xy", efficiency=1.0, launch=0.0)
    net = cluster(1, 25, wafer)
    assert net.inside == Tier(pytest.approx(1700.0), 0.0, 0.0, pytest.approx(200.0))
    assert ns(net, (0, 24, 1.7e6), size=25) == pytest.approx(8 * 200 + 1e3)
    crossing = ns(net, (0, 4, 1.7e6), (1, 9, 1.7e6), size=25)  # both go right along row 0
    assert crossing == pytest.approx(8 * 200 + 2e3)
    apart = ns(net, (0, 4, 1.7e6), (9, 1, 1.7e6), size=25)  # the second goes left along row 1
    assert apart == pytest.approx(8 * 200 + 1e3)


def test_on_a_mesh_lines_along_rows_and_columns_beat_a_ring_through_all() -> None:
    net = cluster(1, 25, Fabric(Mesh(5, 5), 1e12, hop=200e-9, efficiency=1.0, launch=0.0))
    ring, lines = collective_ways("all_reduce", np.arange(25)[None], net)
    assert lines.name == "lines along rows, then along columns"
    assert lines.fixed[0] == pytest.approx(2 * (4 + 4) * 4 * 200), "a step waits for the way back over a line of five"
    assert lines.per_byte[0] == pytest.approx(2 * 24 / 25 / 1000)
    assert ring.fixed[0] > lines.fixed[0]
    assert ring.per_byte[0] >= lines.per_byte[0] - 1e-12


def test_groups_that_share_links_share_their_rate() -> None:
    """Four groups of two on a ring of eight, next to each other or across it."""
    net = replace(cluster(1, 8, Fabric("ring")), per_node=8)
    volume = np.full((1, 4), 1e9)
    near = collective_ns("all_gather", volume, np.arange(8).reshape(4, 2), net)
    across = collective_ns("all_gather", volume, np.arange(8).reshape(2, 4).T, net)
    assert near[0, 0] == pytest.approx(900 + 5e8 / 150)
    assert across[0, 0] == pytest.approx(900 + 2 * 5e8 / 150), "every link carries two groups, half of each either way"


def test_a_plan_gets_the_collectives_that_it_asks_for() -> None:
    net, group, volume = cluster(), np.arange(32)[None], np.array([1e3])
    flat, layered = (
        collective_ns("all_reduce", volume, group, replace(net, collectives=c)) for c in ("flat", "hierarchical")
    )
    assert flat == pytest.approx(2 * 31 * 2500, rel=1e-3)
    assert layered == pytest.approx(2 * 3 * 900 + 2 * 7 * 2500, rel=1e-3)
    assert collective_ns("all_reduce", volume, group, net) == min(flat, layered)
    inside = np.arange(4)[None]
    assert len(collective_ways("all_reduce", inside, replace(net, collectives="hierarchical"))) == 1


def test_oversubscription_slows_rings_that_leave_a_leaf() -> None:
    volume, rails = np.full((1, 4), 1e9), np.arange(32).reshape(8, 4).T
    free, tight = (collective_ns("all_gather", volume, rails, cluster(topology=FatTree(x, 2))) for x in (1.0, 8.0))
    share = 7 / 8 * 1e9
    assert free[0, 0] == pytest.approx(7 * 2500 + share / 40)
    assert tight[0, 0] == pytest.approx(7 * 2500 + share * 4 / (8 * 40 / 8)), (
        "four rings leave each leaf of eight cards"
    )


def test_sends_share_uplinks_and_links_between_neighbours() -> None:
    a = np.arange(8)
    fixed, per_byte = send_costs(a, a + 8, cluster(topology=FatTree(4.0, 2)))
    assert fixed.tolist() == pytest.approx([2500] * 8)
    assert per_byte.tolist() == pytest.approx([8 / (8 * 40 / 4)] * 8)
    fixed, per_byte = send_costs(a, a + 4, cluster(topology="ring"))
    assert per_byte.tolist() == pytest.approx([4 / 80] * 8)
    mesh = cluster(1, 4, Fabric(Mesh(4, 1), 1e12, hop=100e-9, efficiency=1.0, launch=0.0))
    fixed, per_byte = send_costs(np.array([0, 1]), np.array([3, 2]), mesh)
    assert fixed.tolist() == pytest.approx([300, 100])
    assert per_byte.tolist() == pytest.approx([2 / 1000, 2 / 1000])


NETS = {
    "switch": cluster(),
    "rails": cluster(topology=RailOptimized("fabric", 4.0, 2)),
    "spine": cluster(topology=RailOptimized("spine", 4.0, 2)),
    "fat_tree": cluster(topology=FatTree(4.0, 2)),
    "ring": cluster(topology="ring"),
    "mesh": cluster(topology=Mesh(4, 2)),
    "tiers": cluster(nodes=2, beyond=schema.Network(Link(5e9), nodes=None)),
    "mesh_inside": cluster(fabric=Fabric(Mesh(2, 2), hop=1e-7)),
    "ring_inside": cluster(fabric=Fabric("ring")),
}


@given(st.sampled_from(sorted(NETS)), st.integers(0, 2**32 - 1), st.integers(0, 31), st.integers(0, 31))
def test_more_bytes_are_never_faster(name: str, seed: int, a: int, b: int) -> None:
    rng, net, group = np.random.default_rng(seed), NETS[name], np.arange(32)[None]
    matrix = rng.random((1, 1, 32, 32)) * 1e6
    more = matrix.copy()
    more[0, 0, a, b] *= 3
    before, after = (alltoall_ns(Dense(m), group, net)[0, 0] for m in (matrix, more))
    assert after >= before * (1 - 1e-12)


@given(st.sampled_from(["switch", "rails", "spine", "fat_tree", "tiers"]), st.integers(0, 2**32 - 1))
def test_names_of_places_and_units_do_not_matter(name: str, seed: int) -> None:
    """Swapping places within nodes, nodes within leaves, and leaves, leaves the time as it is."""
    rng, net, group = np.random.default_rng(seed), NETS[name], np.arange(32)[None]
    matrix = rng.random((32, 32)) * 1e6
    place, node, leaf = rng.permutation(4), rng.permutation(2), rng.permutation(4)
    other = (leaf[:, None, None] * 8 + node[:, None] * 4 + place).ravel()
    before, after = (
        alltoall_ns(Dense(m[None, None]), group, net)[0, 0] for m in (matrix, matrix[np.ix_(other, other)])
    )
    assert after == pytest.approx(before, rel=1e-12)


@given(st.sampled_from(["ring", "mesh", "ring_inside", "mesh_inside"]), st.integers(0, 2**32 - 1), st.integers(0, 7))
def test_rings_may_be_turned_and_meshes_mirrored(name: str, seed: int, turn: int) -> None:
    rng, net, group = np.random.default_rng(seed), NETS[name], np.arange(32)[None]
    matrix = rng.random((32, 32)) * 1e6
    nodes, places = np.arange(8), np.arange(4)
    if name == "ring":
        nodes = (nodes + turn) % 8
    elif name == "mesh":
        nodes = nodes.reshape(2, 4)[:, ::-1].ravel()
    else:
        places = (places + turn) % 4 if name == "ring_inside" else places.reshape(2, 2)[::-1].ravel()
    other = (nodes[:, None] * 4 + places).ravel()
    before, after = (
        alltoall_ns(Dense(m[None, None]), group, net)[0, 0] for m in (matrix, matrix[np.ix_(other, other)])
    )
    assert after == pytest.approx(before, rel=1e-12)


def test_what_a_cluster_says_is_what_the_network_is() -> None:
    assert cluster().trunks == () and cluster().lattice is None
    assert cluster(topology=FatTree(2.0, 8)).trunks == (), "one leaf holds all nodes"
    assert cluster(topology="ring").lattice == Lattice(8, wraps=True)
    rails = cluster(topology=RailOptimized("fabric", 2.0, 4))
    assert rails.cross_rail and rails.trunks[0].railed and rails.trunks[0].rate == pytest.approx(20.0)
    assert not cluster(per_node=1, topology=RailOptimized("fabric")).cross_rail, "one card a node is one rail"
