"""The two-tier network: α-β where that is exact, port bounds everywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moec.backends.network.alpha_beta import (
    Network,
    Tier,
    Trunk,
    alltoall_ns,
    collective_ns,
    exchange_loads,
    network_of_cluster,
    send_costs,
    transfer_ns,
)
from moec.backends.network.lattice import Lattice
from moec.compiler.ir.graph import Dense, Outer, Relay
from moec.dsl import schema
from moec.dsl.schema import Cluster, Compute, Device, Fabric, Link, Node
from support.walked import walked

NVLINK = Tier(300.0, 900.0, 4500.0)
NIC = Tier(40.0, 2500.0, 8000.0)
POD = Network(NVLINK, NIC, 8)
KINDS = ("all_reduce", "all_gather", "reduce_scatter")
GPU = Device(80e9, 3e12, Compute(1e15), link=Link(450e9, 1e-6, 0.8, 5e-6), host=64e9)


def members(size: int, subsets: int = 1, first: int = 0) -> np.ndarray:
    """Consecutive ranks."""
    return first + np.arange(size * subsets).reshape(subsets, size)


def even(per_pair: float, size: int, subsets: int = 1) -> Outer:
    """The same bytes from everybody to everybody."""
    shape = (1, subsets, size)
    return Outer(np.full(shape, per_pair * size), np.full(shape, 1 / size), np.ones(1))


def matrix(pairs: Outer) -> Dense:
    """What the vectors stand for; the receivers' straggle is no matrix, so it must be one."""
    assert (pairs.straggle == 1).all()
    there = pairs.sent[..., :, None] * pairs.share[..., None, :]
    return Dense(np.swapaxes(there, -1, -2) if pairs.reverse else there)


WIRINGS = {
    "switch": POD,
    "fully_connected": replace(POD, wiring="fully_connected"),
    "ring": replace(POD, wiring="ring"),
    "mesh": replace(POD, wiring="mesh", grid=(4, 2)),
}
LEAF = Trunk("leaf switch", 2, False, 20.0, 3000.0, 8000.0)
RAIL = Trunk("rail switch", 2, True, 20.0, 3000.0, 8000.0)
GROUP = Trunk("group of 4 nodes", 4, False, 5.0, 9000.0, 8000.0)
NETWORKS: dict[str, dict[str, object]] = {
    "switch": {},
    "fat_tree": {"trunks": (LEAF,)},
    "tiers": {"trunks": (LEAF, GROUP)},
    "rails": {"trunks": (RAIL,), "cross_rail": True},
    "spine": {"trunks": (RAIL,)},
    "ring": {"lattice": Lattice(8, wraps=True)},
    "mesh": {"lattice": Lattice(4, 2)},
}


@st.composite
def outers(draw: st.DrawFn) -> tuple[Outer, np.ndarray, Network]:
    """Vectors of random traffic on groups that lie evenly or unevenly on nodes, and a network."""
    size, subsets = draw(st.integers(2, 24)), draw(st.integers(1, 3))
    seed, sparse = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([0.0, 0.5]))
    rng = np.random.default_rng(seed)
    if draw(st.booleans()):
        size = draw(st.sampled_from([8, 16, 32]))
    per_node = draw(st.sampled_from([4, 8])) if size <= 32 // subsets else 16
    sent, share = (rng.random((2, subsets, size)) * (rng.random((2, subsets, size)) >= sparse) for _ in range(2))
    group = members(size, subsets, draw(st.sampled_from([0, 0, 3])) if size * subsets <= 60 else 0)
    if draw(st.booleans()):
        group = group.reshape(size, subsets).T
    net = replace(WIRINGS[draw(st.sampled_from(sorted(WIRINGS)))], **NETWORKS[draw(st.sampled_from(sorted(NETWORKS)))])
    net = replace(net, per_node=per_node, grid=(per_node // 2, 2))
    lattice = net.lattice
    if lattice is not None:
        nodes = 16
        net = replace(net, lattice=Lattice(nodes, wraps=True) if lattice.wraps else Lattice(4, 4))
    return Outer(sent * 1e6, share, np.ones(2), draw(st.booleans())), group, net


@pytest.mark.parametrize("size", [2, 4, 8])
def test_inside_a_node_collectives_are_alpha_beta(size: int) -> None:
    volume = np.array([[1e3, 1e9]])
    gather = 4500 + 900 * (size - 1) + volume * (size - 1) / size / 300
    for kind in KINDS:
        steps = 2 if kind == "all_reduce" else 1
        got = collective_ns(kind, volume.T[:, :, None], members(size), POD)[:, 0, 0]
        assert got == pytest.approx((4500 + (gather - 4500) * steps).ravel())


def test_between_lone_devices_collectives_use_the_network_alone() -> None:
    got = collective_ns("all_gather", np.array([8e6]), np.arange(0, 32, 8)[None], POD)
    assert got == pytest.approx(8000 + 3 * 2500 + 8e6 * 3 / 4 / 40)


def test_across_nodes_the_faster_of_rails_and_one_ring_wins() -> None:
    """Small buffers save steps on rails; a flat ring keeps all network cards busy just as well."""
    small = collective_ns("all_reduce", np.array([1.0]), members(32), POD)
    assert small == pytest.approx(8000 + 2 * 7 * 900 + 2 * 3 * 2500, rel=1e-3)
    large, volume = collective_ns("all_reduce", np.array([1e10]), members(32), POD), 1e10
    rails = 2 * volume * 7 / 8 / 300 + 2 * volume / 8 * 3 / 4 / 40
    ring = 2 * volume * 31 / 32 / 300
    assert large == pytest.approx(min(rails, ring), rel=5e-3)


def test_all_reduce_costs_a_reduce_scatter_and_an_all_gather() -> None:
    volume = np.geomspace(1, 1e10, 30)[:, None, None]
    for group in (members(8, 4), members(32), np.arange(0, 64, 4).reshape(2, 8)):
        whole, halves = (
            sum(collective_ns(kind, volume, group, replace(POD, between=NIC)) for kind in kinds)
            for kinds in (("all_reduce",), ("reduce_scatter", "all_gather"))
        )
        assert (whole <= halves).all()


@given(
    st.sampled_from(KINDS), st.floats(0, 1e10), st.integers(1, 40), st.integers(0, 7), st.sampled_from([1, 2, 3, 8, 16])
)
def test_collectives_never_beat_the_ports(kind: str, volume: float, size: int, first: int, per_node: int) -> None:
    net = replace(POD, per_node=per_node)
    group = members(size, first=first)
    got = collective_ns(kind, np.array([volume]), group, net)[0]
    turns = 2 if kind == "all_reduce" else 1
    assert got >= turns * volume * (size - 1) / size / 300 * (1 - 1e-12)
    nodes, counts = np.unique(group // per_node, return_counts=True)
    if len(nodes) > 1:
        assert got >= turns * volume * (len(nodes) - 1) / len(nodes) / counts.max() / 40 * (1 - 1e-12)
    assert (got == 0) == (volume == 0 or size == 1)


@given(st.sampled_from(KINDS), st.floats(1, 1e10), st.integers(2, 40), st.sampled_from(["inside", "between"]))
def test_doubling_a_bandwidth_never_slows_a_collective(kind: str, volume: float, size: int, tier: str) -> None:
    faster = replace(POD, **{tier: replace(getattr(POD, tier), rate=2 * getattr(POD, tier).rate)})
    before, after = (collective_ns(kind, np.array([volume]), members(size), net) for net in (POD, faster))
    assert (after <= before).all()


@pytest.mark.parametrize("size", [2, 4, 8])
def test_uniform_traffic_inside_a_node_is_alpha_beta(size: int) -> None:
    got = alltoall_ns(even(1e6, size), members(size), POD)
    assert got.tolist() == [[pytest.approx(4500 + 900 + (size - 1) * 1e6 / 300)]]


def test_uniform_traffic_between_lone_devices_is_alpha_beta() -> None:
    got = alltoall_ns(even(1e6, 4), np.arange(0, 32, 8)[None], POD)
    assert got == pytest.approx(8000 + 2500 + 3e6 / 40)


def test_the_tiers_work_at_once() -> None:
    """32 ranks on 4 nodes: 7 peers by NVLink, 24 by the network card, which takes longer."""
    assert alltoall_ns(even(1e6, 32), members(32), POD) == pytest.approx(8000 + 2500 + 24e6 / 40)


@given(outers())
def test_vectors_and_matrices_agree(case: tuple[Outer, np.ndarray, Network]) -> None:
    pairs, group, net = case
    assert alltoall_ns(pairs, group, net) == pytest.approx(alltoall_ns(matrix(pairs), group, net), rel=1e-9, abs=1e-6)


@given(outers())
def test_an_all_to_all_never_beats_its_busiest_port(case: tuple[Outer, np.ndarray, Network]) -> None:
    pairs, group, net = case
    got = alltoall_ns(pairs, group, net)
    bytes = matrix(pairs).bytes * ~np.eye(group.shape[1], dtype=bool)
    node = group // net.per_node
    near = node[:, :, None] == node[:, None, :]
    inside = 300 * (4 if net.wiring == "mesh" else 1)
    bounds = [(bytes * near, np.eye(group.shape[1]), inside), (bytes * ~near, _member(node), 40 * net.per_node)]
    if not net.cross_rail:  # else other ranks' cards help
        bounds.append((bytes * ~near, np.eye(group.shape[1]), 40))
    for trunk in net.trunks:
        unit = node // trunk.nodes
        apart = bytes * (unit[:, :, None] != unit[:, None, :])
        bounds.append((apart, _member(unit), trunk.rate * trunk.nodes * net.per_node))
    for part, of, rate in bounds:
        for axis in (-1, -2):
            assert (got >= np.einsum("...i,...iu->...u", part.sum(axis), of).max(-1) / rate * (1 - 1e-9)).all()


def _member(unit: np.ndarray) -> np.ndarray:
    """Who is in which unit, as ones and zeros."""
    return (unit[:, :, None] == np.unique(unit)).astype(float)


@given(outers(), st.sampled_from(["inside", "between"]), st.floats(1, 4))
def test_better_tiers_and_less_straggling_never_slow(
    case: tuple[Outer, np.ndarray, Network], tier: str, straggle: float
) -> None:
    pairs, group, net = case
    faster = replace(net, **{tier: replace(getattr(net, tier), rate=2 * getattr(net, tier).rate)})
    assert (alltoall_ns(pairs, group, faster) <= alltoall_ns(pairs, group, net)).all()
    worse = replace(pairs, straggle=np.full(2, straggle))
    assert (alltoall_ns(worse, group, net) >= alltoall_ns(pairs, group, net)).all()


def test_straggling_multiplies_the_busiest_receiver() -> None:
    late = replace(even(1e6, 8), straggle=np.array([1.5]))
    assert alltoall_ns(late, members(8), POD) == pytest.approx(4500 + 900 + 1.5 * 7e6 / 300)


def test_one_hot_receiver_holds_everybody_up() -> None:
    share = np.zeros((1, 1, 8))
    share[..., 3] = 1
    hot = Outer(np.full((1, 1, 8), 1e6), share, np.ones(1))
    assert alltoall_ns(hot, members(8), POD) == pytest.approx(4500 + 900 + 7e6 / 300)
    meshed = alltoall_ns(hot, members(8), replace(POD, wiring="fully_connected"))
    assert meshed == pytest.approx(4500 + 900 + 1e6 / (300 / 7))


def test_a_full_mesh_carries_uniform_traffic_like_a_switch_and_lone_pairs_worse() -> None:
    mesh = replace(POD, wiring="fully_connected")
    assert alltoall_ns(even(1e6, 8), members(8), mesh) == pytest.approx(alltoall_ns(even(1e6, 8), members(8), POD))
    pair = collective_ns("all_gather", np.array([1e9]), members(2), mesh)
    assert pair == pytest.approx(4500 + 900 + 5e8 / (300 / 7))


def test_a_ring_pays_for_hops() -> None:
    """On eight devices the mean distance is (1+1+2+2+3+3+4)/7 = 16/7 hops; half of a ring is a line."""
    ring = replace(POD, wiring="ring")
    assert alltoall_ns(even(1e6, 8), members(8), ring) == pytest.approx(4500 + 900 + 16e6 / 300)
    whole, half = (collective_ns("all_gather", np.array([1e9]), members(n), ring)[0] for n in (8, 4))
    assert whole == pytest.approx(4500 + 7 * 900 + 7 / 8 * 1e9 / 300)
    assert half == pytest.approx(4500 + 3 * 900 + 3 / 4 * 1e9 / 150)


def test_nothing_to_send_takes_no_time() -> None:
    none = Outer(np.zeros((2, 1, 8)), np.full((2, 1, 8), 1 / 8), np.ones(2))
    assert alltoall_ns(none, members(8), POD).tolist() == [[0.0], [0.0]]
    assert alltoall_ns(even(1e6, 1), members(1), Network(None, None, 1)).tolist() == [[0.0]]
    assert collective_ns("all_reduce", np.array([1e6, 0.0]), members(4, 2), POD)[1] == 0
    assert collective_ns("all_reduce", np.ones((3, 4)), members(1, 4), POD).tolist() == [[0.0] * 4] * 3


def test_leading_axes_are_kept() -> None:
    many = Outer(np.ones((5, 3, 2, 16)), np.ones((5, 3, 2, 16)), np.ones((5, 3)))
    assert alltoall_ns(many, members(16, 2), POD).shape == (5, 3, 2)
    assert collective_ns("all_gather", np.ones((5, 3, 2)), members(16, 2), POD).shape == (5, 3, 2)


def test_sends_take_the_tier_they_cross() -> None:
    fixed, per_byte = send_costs(np.array([0, 1]), np.array([2, 9]), POD)
    assert fixed + per_byte * 3e6 == pytest.approx([4500 + 900 + 1e4, 8000 + 2500 + 75e3])


def test_transfers_take_the_host_link() -> None:
    assert transfer_ns(np.array([0.0, 64e6]), GPU).tolist() == [0.0, 1e6]


def test_figures_come_from_the_fabric_then_the_link_then_the_host() -> None:
    def inside(device: Device, fabric: Fabric) -> Tier | None:
        return network_of_cluster(Cluster(1, Node(device, 8, fabric))).inside

    assert inside(GPU, Fabric()) == Tier(pytest.approx(360.0), pytest.approx(1000.0), pytest.approx(5000.0))
    own = Fabric("ring", 100e9, 2e-6, 0.5, 0.0)
    assert inside(GPU, own) == Tier(pytest.approx(50.0), pytest.approx(2000.0), 0.0)
    default = Link(64e9)
    host = inside(replace(GPU, link=None), Fabric())
    assert host == Tier(
        pytest.approx(64 * default.efficiency), pytest.approx(1000.0), pytest.approx(default.launch * 1e9)
    )
    with pytest.raises(ValueError, match="neither a fabric"):
        inside(replace(GPU, link=None, host=None), Fabric())


def test_the_network_s_own_latency_wins_and_lone_nodes_have_no_network() -> None:
    network = schema.Network(Link(50e9, 2e-6, 0.9, 3e-6), latency=7e-6)
    tiers = network_of_cluster(Cluster(2, Node(GPU, 1), network))
    assert tiers == Network(None, Tier(pytest.approx(45.0), pytest.approx(7000.0), pytest.approx(3000.0)), 1)
    assert network_of_cluster(Cluster(1, Node(GPU, 8), network)).between is None


@pytest.mark.parametrize("lacking", [Network(None, NIC, 8), Network(NVLINK, None, 8)])
def test_a_missing_tier_is_an_error_once_it_is_needed(lacking: Network) -> None:
    with pytest.raises(ValueError, match="node"):
        alltoall_ns(even(1.0, 16), members(16), lacking)


@st.composite
def even_exchanges(draw: st.DrawFn) -> tuple[Outer, np.ndarray, Network]:
    """Uneven senders, all receivers alike: what expected routing makes of an iteration."""
    nodes, per_node = draw(st.integers(1, 5)), draw(st.sampled_from([1, 2, 8]))
    size = nodes * per_node
    sent = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random((3, 1, size)) * 1e6
    share = np.broadcast_to(np.array([[[0.1]], [[0.5]], [[0.0]]]), (3, 1, size))
    cross = draw(st.booleans())
    net = replace(POD, per_node=per_node, inside=NVLINK if per_node > 1 else None, cross_rail=cross and per_node > 1)
    straggle = np.array([1.0, draw(st.floats(1, 4)), 1.0])
    return Outer(sent, share, straggle, draw(st.booleans())), members(size), net


@given(even_exchanges(), st.booleans())
def test_the_short_way_for_even_exchanges_gives_the_same(
    case: tuple[Outer, np.ndarray, Network], relayed: bool
) -> None:
    pairs, group, net = case
    if group.shape[1] == 1:
        return
    nodes = group.shape[1] // net.per_node
    relay = None
    if relayed and nodes > 1 and net.per_node > 1:
        entering = Outer(
            pairs.sent, np.broadcast_to(pairs.share[..., :1], (3, 1, nodes)), pairs.straggle, pairs.reverse
        )
        relay = Relay(entering, pairs.reverse)
    spelled = replace(pairs, share=pairs.share.copy())
    assert alltoall_ns(pairs, group, net, relay) == pytest.approx(alltoall_ns(spelled, group, net, relay), rel=1e-12)


@given(
    st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(sorted(WIRINGS)), st.sampled_from(sorted(NETWORKS)),
    st.sampled_from([16, 32]),
)  # fmt: skip
def test_relayed_vectors_and_matrices_agree_and_beat_no_port(
    seed: int, reverse: bool, wiring: str, network: str, size: int
) -> None:
    rng, net = np.random.default_rng(seed), replace(WIRINGS[wiring], **NETWORKS[network])
    nodes = size // 8
    sent, share, into = rng.random((1, 1, size)) * 1e6, rng.random((1, 1, size)), rng.random((1, 1, nodes))
    one = np.ones(1)
    relay = Relay(Outer(sent, into, one, reverse), reverse)
    pairs = Outer(sent, share, one, reverse)
    entering = sent[..., :, None] * into[..., None, :]
    got = alltoall_ns(pairs, members(size), net, relay)
    assert got == pytest.approx(
        alltoall_ns(matrix(pairs), members(size), net, Relay(Dense(entering), reverse)), rel=1e-9
    )
    away = entering[0, 0] * (np.arange(size)[:, None] // 8 != np.arange(nodes))
    rail = np.arange(size) % 8
    into_peer = np.array([[away[rail == r, n].sum() for r in range(8)] for n in range(nodes)])
    assert got[0, 0] >= max(away.sum(1).max(), into_peer.max()) / 40 * (1 - 1e-9)
    straight = matrix(pairs).bytes[0, 0]
    ends = straight.sum(0) if not reverse else straight.sum(1)
    same_rail = np.array(
        [straight[rail == r, d].sum() if not reverse else straight[d, rail == r].sum() for d, r in enumerate(rail)]
    )
    inside = 300 * (4 if wiring == "mesh" else 1)
    assert got[0, 0] >= (ends - same_rail).max() / inside * (1 - 1e-9), "what is not on its rail comes over the fabric"


@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("relayed", [None, False, True], ids=["direct", "two_phase", "and back"])
def test_loads_are_those_of_messages_walked_link_by_link(wiring: str, network: str, relayed: bool | None) -> None:
    size, rng = 32, np.random.default_rng(5)
    net = replace(WIRINGS[wiring], per_node=4, grid=(2, 2), **NETWORKS[network])
    matrix = rng.random((size, size)) * (rng.random((size, size)) < 0.5) * 1e6
    entering = rng.random((size, 8)) * 1e6
    relay = None if relayed is None else Relay(Dense(entering[None, None]), relayed)
    loads, _ = exchange_loads(Dense(matrix[None, None]), members(size), net, relay)
    plain = walked(matrix, net, None if relayed is None else entering, back=bool(relayed))
    assert {(load.kind, load.way) for load in loads} >= set(plain)
    for load in loads:
        found = np.sort(load.bytes[0, 0][load.bytes[0, 0] > 1e-6])
        expected = np.sort([x for x in plain[load.kind, load.way].values() if x > 1e-6])
        assert found == pytest.approx(expected, rel=1e-9), (load.kind, load.way)
