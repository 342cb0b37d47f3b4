"""Forms worked by hand, and closed forms and folding against the full simulation."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moec.backends.astra.files.network_of_settings import of_settings
from moec.backends.astra.files.settings import AstraSettings
from moec.backends.astra.files.wiring import Dimension
from moec.backends.astra.network import Dim, Refusal, Start, collective_ns, point_to_point_ns, simulate
from moec.backends.astra.network.collective import simulated_ns
from moec.backends.astra.network.events.tree import place_of
from moec.backends.astra.network.plan import plan_of
from support.astra_runs import KINDS, network, over

pytestmark = pytest.mark.slow  # message by message

MIB = 1 << 20
RATE = 50 * 2**30 / 1e9
"""Bytes per nanosecond of 50 GB/s of 2^30 bytes."""


def reduction(size):
    return 3 * int(size / 1600)


def test_a_ring_all_reduce_is_a_chain_of_messages_endpoints_and_reductions():
    block = MIB // 4
    step = int(2 * 500 + block / RATE)

    assert collective_ns("all_reduce", MIB, network()) == 6 * step + 7 * 10 + 3 * reduction(block)


@pytest.mark.parametrize(("topology", "links"), [("Ring", 1), ("FullyConnected", 1), ("Switch", 2)])
def test_the_aware_ring_pays_every_link_in_full(topology, links):
    block = MIB // 4
    net = network("aware", topology)

    assert collective_ns("reduce_scatter", MIB, net) == 3 * links * int(500 + block / RATE) + 4 * 10 + 3 * reduction(
        block
    )


def test_a_ring_all_to_all_walks_each_block_round():
    assert collective_ns("all_to_all", MIB, network(npus=8)) == 28 * int(1000 + MIB / 8 / RATE) + 29 * 10


def test_direct_on_an_aware_switch_queues_at_the_port_and_is_stored_and_forwarded():
    block = MIB // 8
    expected = 6 * int(block / RATE) + 2 * int(500 + block / RATE) + 2 * 10

    assert collective_ns("all_to_all", MIB, network("aware", npus=8, algorithm="direct")) == expected


def test_halving_doubling_sends_halves_and_back():
    sizes = [MIB // 2, MIB // 4, MIB // 8]
    expected = 2 * sum(int(1000 + s / RATE) for s in sizes) + 7 * 10 + sum(reduction(s) for s in sizes[1:])

    assert collective_ns("all_reduce", MIB, network(npus=8, algorithm="halvingDoubling")) == expected


def test_a_double_binary_tree_goes_up_and_down():
    expected = 6 * int(500 + MIB / RATE) + 7 * 10 + 5 * reduction(MIB)

    assert (
        collective_ns("all_reduce", MIB, network(npus=8, topology="FullyConnected", algorithm="doubleBinaryTree"))
        == expected
    )


def test_pieces_follow_each_other_and_a_rest_is_a_whole_piece():
    net = network(splits=4)

    assert collective_ns("all_reduce", MIB, net) == 4 * collective_ns("all_reduce", MIB // 4, network())
    assert collective_ns("all_reduce", MIB + 1, net) == 5 * collective_ns("all_reduce", MIB // 4, network())


def test_active_pieces_are_free_when_congestion_is_not_seen():
    assert collective_ns("all_reduce", MIB, network(splits=4, active=2)) == 2 * collective_ns(
        "all_reduce", MIB // 4, network()
    )


def test_dimensions_add_up():
    near, far = Dim("Switch", 4, 400.0, 500.0), Dim("Ring", 2, 50.0, 2000.0)
    both = over((near, far), ("ring", "ring"))
    one, other = over((near,), ("ring",)), over((far,), ("ring",))

    def time(kind, size, net):
        return collective_ns(kind, size, net)

    scattered = (
        time("reduce_scatter", MIB, one) + time("all_reduce", MIB // 4, other) + time("all_gather", MIB // 4, one)
    )
    assert time("all_reduce", MIB, both) == scattered
    assert time("all_reduce", MIB, replace(both, optimization="baseline")) == time("all_reduce", MIB, one) + time(
        "all_reduce", MIB, other
    )
    assert time("all_gather", MIB, both) == time("all_gather", MIB, other) + time("all_gather", 2 * MIB, one)


def test_a_part_of_the_ranks_is_one_ring_with_ten_nanoseconds_at_an_endpoint():
    alone = network("aware", npus=4)
    slow = network("aware", npus=8, endpoint_ns=1000)

    assert collective_ns("all_reduce", MIB, slow, (1, 3, 4, 6)) == collective_ns("all_reduce", MIB, alone)


def test_in_two_dimensions_a_part_of_the_ranks_is_forced_to_ring():
    net = over((Dim("Switch", 4, 50.0, 500.0), Dim("Switch", 2, 50.0, 500.0)), ("direct", "direct"))

    assert collective_ns("all_to_all", MIB, net, (0, 1, 2, 3)) == collective_ns("all_to_all", MIB, network())


def test_a_message_across_two_dimensions_is_charged_for_the_first_only():
    net = over((Dim("Switch", 4, 400.0, 500.0), Dim("Switch", 2, 50.0, 2000.0)), ("ring", "ring"))

    assert [point_to_point_ns(0, dst, MIB, net) for dst in (1, 4, 5)] == [3441, 23531, 3441]  # as measured


def test_one_message_is_stored_at_the_aware_switch():
    assert point_to_point_ns(0, 5, MIB, network("aware", npus=8)) == 2 * int(500 + MIB / RATE)
    assert point_to_point_ns(0, 5, MIB, network("aware", "Ring", npus=8)) == 3 * int(500 + MIB / RATE)


@pytest.mark.parametrize(
    ("members", "slowest", "fastest"),
    [(((0, 1, 2, 3), (4, 5, 6, 7)), 55357, 44593), (((0, 2, 4, 6), (1, 3, 5, 7)), 66121, 66121)],
)
def test_two_groups_on_one_ring_share_its_links_as_measured(members, slowest, fastest):
    net = network("aware", "Ring", npus=8)
    plans = [plan_of("all_reduce", MIB, net, group) for group in members]
    numbers = (10**6, 2 * 10**6)
    ends = simulate(net, tuple(Start(p, m, 0, i) for p, m, i in zip(plans, members, numbers, strict=True)))

    assert {time for end in ends for time in end.values()} == {slowest, fastest}


def test_moec_s_own_settings_are_a_network():
    dimension = Dimension("Switch", 8, 400.0, 250.0, "a test")
    names = ("ring",)
    told = AstraSettings("aware", 8, (dimension,), 8, 4, names, names, names, None, False)

    net = of_settings(told)

    assert net.dimensions[0].rate == pytest.approx(400.0)
    assert (net.splits, net.active, net.endpoint_ns, net.all_to_all) == (8, 4, 10, ("direct",))
    assert collective_ns("all_reduce", 0, net) == collective_ns("all_reduce", 64, net)


def test_what_the_simulator_does_not_survive_is_a_value():
    cases = {
        "hangs": [network(npus=6, algorithm="halvingDoubling"), network(splits=2)],
        "crashes": [network(npus=6, algorithm="doubleBinaryTree")],
        "aborts": [network("aware", "Ring", npus=2), network(endpoint_ns=0)],
        "exits": [over((Dim("Ring", 4, 50.0, 0.0),) * 2, ("ring", "ring"), "aware"), network(npus=1)],
    }
    found = {
        outcome: [collective_ns("all_reduce", MIB, net, (2,) if net.splits > 1 else None, start_ns=0) for net in nets]
        for outcome, nets in cases.items()
    }

    assert all(isinstance(r, Refusal) and r.outcome == outcome for outcome, rs in found.items() for r in rs)
    assert collective_ns("all_gather", 3, network(splits=4)).outcome == "loops"
    assert collective_ns("all_to_all", MIB, network(algorithm="halvingDoubling")).status == 1
    assert isinstance(collective_ns("all_reduce", MIB, network(endpoint_ns=0), start_ns=5), int)


@pytest.mark.parametrize("last", [True, False])
def test_both_trees_hang_together(last):
    places = [place_of(i, 16, last) for i in range(16)]
    children = [c for p in places for c in (p.left, p.right) if c >= 0]

    assert sorted([*children, 15 if last else 0]) == list(range(16))
    assert all(places[c].parent == i for i, p in enumerate(places) for c in (p.left, p.right) if c >= 0)


@st.composite
def drawn(draw):
    """A collective on a network that need not be sensible."""
    congestion = draw(st.sampled_from(("aware", "unaware")))
    levels = 1 if congestion == "aware" else draw(st.integers(1, 3))
    dims = tuple(
        Dim(
            draw(st.sampled_from(("Ring", "FullyConnected", "Switch"))),
            draw(st.integers(2, 8 if levels == 1 else 4)),
            draw(st.sampled_from((25.0, 50.0, 450.0))),
            draw(st.sampled_from((0.0, 1.0, 500.0, 936.25))),
        )
        for _ in range(levels)
    )
    names = ("ring", "direct", "direct1", "direct2", "direct3", "halvingDoubling", "doubleBinaryTree")
    flat = draw(st.sampled_from(("", "", "", "oneRing", "oneDirect")))
    algorithms = (flat,) if flat else tuple(draw(st.sampled_from(names)) for _ in range(levels))
    net = over(
        dims,
        algorithms,
        congestion,
        splits=draw(st.sampled_from((1, 2, 3, 8))),
        active=draw(st.sampled_from((1, 2, 8))),
        queues=draw(st.sampled_from((1, 1, 2, 3))),
        endpoint_ns=draw(st.sampled_from((1, 10, 1000))),
        local_mem_bw=draw(st.sampled_from((0.0, 1.0, 1600.0))),
        optimization=draw(st.sampled_from(("localBWAware", "baseline"))),
    )
    ranks = st.sets(st.integers(0, net.ranks - 1), min_size=2).map(sorted).map(tuple)
    group = draw(st.none() | ranks) if net.ranks > 2 else None
    return draw(st.sampled_from(KINDS)), draw(st.integers(1, 2 * MIB)), net, group


@settings(max_examples=300, deadline=None)
@given(drawn())
def test_what_is_not_simulated_in_full_is_the_same_to_the_nanosecond(case):
    kind, size, net, group = case
    plan = plan_of(kind, size, net, group)
    if isinstance(plan, Refusal) or plan.pieces > 32:
        return
    full = simulated_ns(plan, net, group)
    quick = collective_ns(kind, size, net, group)

    assert (quick == full) if isinstance(full, int) else quick.outcome == full.outcome


@settings(max_examples=100, deadline=None)
@given(drawn())
def test_a_wider_link_is_never_slower_without_congestion(case):
    kind, size, net, group = case
    net = replace(net, congestion="unaware", active=1, queues=1, splits=1)
    wide = replace(net, dimensions=tuple(replace(d, bandwidth=2 * d.bandwidth) for d in net.dimensions))
    slow, fast = collective_ns(kind, size, net, group), collective_ns(kind, size, wide, group)

    assert isinstance(slow, Refusal) == isinstance(fast, Refusal)
    assert isinstance(slow, Refusal) or fast <= slow
