"""Unequal all-to-alls: ports in closed form against link by link, incast, and the order of the simulator's hash tables."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moec.backends.fast.astra import Dim, Refusal, custom_alltoall_ns, exchange, point_to_point_ns, sendrecv_alltoall_ns
from moec.backends.fast.astra import switch as switch_module
from moec.backends.fast.astra.flights import flights
from moec.backends.fast.astra.sends import as_written, by_destination, issue_order, rotating, table_order
from moec.backends.fast.astra.switch import switch_arrivals
from support.astra_runs import network, over, uniform

RATE = 50 * 2**30 / 1e9


def switch(n, **changes):
    return network("aware", npus=n, **changes)


def test_incast_costs_the_receivers_port():
    matrix = np.zeros((5, 5), dtype=int)
    matrix[1:, 0] = 100_000

    ends = custom_alltoall_ns(matrix, switch(5))

    assert ends.max() == ends[0] == 3 * int(100_000 / RATE) + 2 * int(500 + 100_000 / RATE)


@pytest.mark.parametrize("topology", ["Switch", "Ring", "FullyConnected"])
def test_without_congestion_the_slowest_message_is_all(topology):
    matrix = np.zeros((4, 4), dtype=int)
    matrix[1:, 0], matrix[0, 1] = 100_000, 300_000
    links = 2 if topology == "Switch" else 1

    assert custom_alltoall_ns(matrix, network(topology=topology)).max() == int(links * 500 + 300_000 / RATE)


def test_rotating_sends_meet_nobody_as_those_of_our_files_and_ascending_ones_queue():
    matrix = uniform(8 * 131072, 8)
    orders = (rotating(8), None, by_destination(matrix))
    rotated, ours, ordered = (custom_alltoall_ns(matrix, switch(8), order=o).max() for o in orders)

    assert rotated == ours == 20528  # measured: CUSTOM_A2A_UNIFORM, 8 ranks, 1 MiB
    assert ordered > 1.5 * rotated


def test_a_rank_without_messages_runs_its_idle_kernel():
    matrix = np.zeros((3, 3), dtype=int)
    matrix[0, 1] = 5000

    assert custom_alltoall_ns(matrix, switch(3), starts=np.array([7, 7, 7]))[2] == 8


def test_sends_in_the_trace_wait_for_each_other():
    matrix = uniform(4 * 262144, 4)

    assert sendrecv_alltoall_ns(matrix, network(topology="FullyConnected")) == 3 * int(500 + 262144 / RATE)


def test_what_a_custom_set_does_not_survive_is_a_value():
    assert custom_alltoall_ns(uniform(4096, 4), switch(4, splits=2)).outcome == "hangs"
    assert custom_alltoall_ns(uniform(40, 4), switch(4)).outcome == "aborts"
    assert isinstance(sendrecv_alltoall_ns(uniform(40, 4), switch(4)), Refusal)


def test_small_tables_are_walked_backwards_and_growing_turns_them_round():
    assert table_order(range(5)) == [4, 3, 2, 1, 0]
    assert table_order(range(14)) == [13, *range(13)]
    assert table_order([0, 13, 1]) == [1, 13, 0]
    assert issue_order(13) == tuple(range(1, 14))
    assert sorted(issue_order(1000)) == list(range(1, 1001))


@given(st.integers(2, 40), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_every_message_is_issued_once(n, random):
    matrix = np.array([[random.choice((0, 9)) for _ in range(n)] for _ in range(n)]) * ~np.eye(n, dtype=bool)
    order = as_written(matrix)

    assert all(
        sorted(row[row >= 0]) == np.flatnonzero(sizes).tolist() for row, sizes in zip(order, matrix, strict=True)
    )


@given(st.integers(2, 9), st.sampled_from((0.0, 1.0, 500.0, 936.25)), st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_ports_in_closed_form_are_the_links_to_the_nanosecond(n, latency, rotates, random):
    net = switch(n, latency=latency)
    sizes = [0, 64, 4096, 4096, random.randrange(60, 10**6)]
    matrix = np.array([[random.choice(sizes) * (i != j) for j in range(n)] for i in range(n)])
    starts = np.array([random.choice((1, 1, random.randrange(1, 300))) for _ in range(n)])
    to = np.where(matrix[np.arange(n)[:, None], rotating(n)] > 0, rotating(n), -1) if rotates else as_written(matrix)
    bytes_ = np.where(to >= 0, matrix[np.arange(n)[:, None], to], 0)
    if (to < 0).all():
        return

    quick = switch_arrivals(bytes_, to, starts, net.dimensions[0])
    exact = exchange._simulated(bytes_, to, starts, tuple(range(n)), net)

    assert (quick[to >= 0] == exact[to >= 0]).all()


@given(
    st.lists(st.sampled_from(("Ring", "Switch", "FullyConnected")), min_size=1, max_size=3),
    st.randoms(use_true_random=False),
)
@settings(max_examples=30, deadline=None)
def test_flights_are_those_of_single_messages(topologies, random):
    net = over(
        tuple(Dim(t, random.choice((2, 3, 5)), random.choice((50.0, 450.0)), 936.25) for t in topologies), ("ring",)
    )
    members = np.array(random.sample(range(net.ranks), random.randrange(2, net.ranks + 1)))
    to = rotating(len(members))
    sizes = np.array([[random.randrange(1, 10**6) for _ in row] for row in to])
    single = [
        [point_to_point_ns(int(members[r]), int(members[c]), int(sizes[r, k]), net) for k, c in enumerate(row)]
        for r, row in enumerate(to)
    ]

    assert flights(sizes, members, to, net).tolist() == single


@given(st.integers(2, 9), st.sampled_from((0.0, 1.0, 500.0)), st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_few_messages_at_one_time_are_told_apart_as_many_are(n, latency, rotates, random):
    dim = Dim("Switch", n, 50.0, latency)
    sizes = np.array([[random.choice((64, 4096, 4100, 8192)) for _ in range(n)] for _ in range(n)])
    np.fill_diagonal(sizes, 0)
    to = rotating(n) if rotates else as_written(sizes)
    starts = np.array([random.choice((5, 5, 90)) for _ in range(n)])
    moved = sizes[np.arange(n)[:, None], to]
    with pytest.MonkeyPatch.context() as patch:
        found = []
        for few in (1, 10**9):
            patch.setattr(switch_module, "FEW", few)
            found.append(switch_arrivals(moved, to, starts, dim))

    assert (found[0] == found[1]).all()
