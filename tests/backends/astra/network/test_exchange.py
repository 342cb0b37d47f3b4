"""Unequal all-to-alls: ports in closed form against link by link, incast, and the order of the simulator's hash tables."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moec.backends.astra.network import Dim, Refusal, custom_alltoall_ns, point_to_point_ns, sendrecv_alltoall_ns
from moec.backends.astra.network.custom.compiled_queues import Orders, queues_of
from moec.backends.astra.network.custom.ends import CustomSets, simulated
from moec.backends.astra.network.custom.free_flights import flights
from moec.backends.astra.network.custom.issue_order import as_listed, as_written, by_destination, issue_order, rotating
from moec.backends.astra.network.custom.switch import ports_of
from moec.backends.astra.replay.hash_table import HashTable
from support.astra_runs import network, over, uniform

pytestmark = pytest.mark.slow  # message by message

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


@pytest.mark.parametrize("topology", ["Switch", "Ring", "FullyConnected"])
def test_a_rank_without_messages_runs_its_idle_kernel(topology):
    matrix = np.zeros((3, 3), dtype=int)
    matrix[0, 1] = 5000

    assert custom_alltoall_ns(matrix, network("aware", npus=3, topology=topology), starts=np.array([7, 7, 7]))[2] == 8


def test_sends_in_the_trace_wait_for_each_other():
    matrix = uniform(4 * 262144, 4)

    assert sendrecv_alltoall_ns(matrix, network(topology="FullyConnected")) == 3 * int(500 + 262144 / RATE)


def test_what_a_custom_set_does_not_survive_is_a_value():
    assert custom_alltoall_ns(uniform(4096, 4), switch(4, splits=2)).outcome == "hangs"
    assert custom_alltoall_ns(uniform(40, 4), switch(4)).outcome == "aborts"
    assert isinstance(sendrecv_alltoall_ns(uniform(40, 4), switch(4)), Refusal)


def test_small_tables_are_walked_backwards_and_growing_turns_them_round():
    assert list(HashTable(range(5))) == [4, 3, 2, 1, 0]
    assert list(HashTable(range(14))) == [13, *range(13)]
    assert list(HashTable([0, 13, 1])) == [1, 13, 0]


@pytest.mark.parametrize(
    "nodes", [1, 2, 12, 13, 14, 28, 29, 30, 59, 60, 100, 127, 128, 193, 257, 258, 400, 541, 542, 1110]
)
def test_nodes_are_issued_in_the_order_of_a_table_filled_in_the_order_of_another(nodes):
    parents = HashTable(range(1, nodes + 1))

    assert issue_order(nodes).tolist() == list(HashTable(parents))


@given(st.integers(2, 40), st.integers(1, 3), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_sends_are_issued_in_the_order_of_their_files_tables(n, sets, random):
    pairs = np.array([[[random.choice((0, 9)) * (i != j) for j in range(n)] for i in range(n)] for _ in range(sets)])
    order = as_written(pairs).padded().reshape(sets, n, -1)

    for rows, matrix in zip(order.tolist(), pairs, strict=True):
        for r, row in enumerate(rows):
            peers = [p % n for p in range(r + 1, r + n) if matrix[r, p % n]]
            nodes = issue_order(len(peers) + np.count_nonzero(matrix[:, r])).tolist()
            assert [p for p in row if p >= 0] == [peers[i - 1] for i in nodes if i <= len(peers)]


def tied(n, random):
    """Sizes, starts and an order of issue with which many messages reach a port in the same nanosecond."""
    sizes = random.choice(((0, 64, 4096, 4096, random.randrange(60, 10**6)), (64, 4096, 4100, 8192), (0, 4096)))
    matrix = np.array([[random.choice(sizes) * (i != j) for j in range(n)] for i in range(n)])
    starts = np.array([random.choice((1, 1, random.choice((90, random.randrange(1, 300))))) for _ in range(n)])
    order = random.choice((rotating(n), by_destination(matrix), as_written(matrix).padded()))
    return matrix, starts, as_listed(np.where(matrix[np.arange(n)[:, None], order] > 0, order, -1))


@given(st.integers(2, 14), st.sampled_from((0.0, 1.0, 500.0, 936.25)), st.randoms(use_true_random=False))
@settings(max_examples=250, deadline=None)
def test_ports_in_closed_form_are_the_links_to_the_nanosecond(n, latency, random):
    net = switch(n, latency=latency)
    matrix, starts, sends = tied(n, random)
    if not len(sends.cell):
        return
    [ports] = ports_of(matrix[None, None], sends, net.dimensions[0])
    exact = simulated(matrix, sends, range(n), starts.tolist(), net)
    number, arrivals = ports.arrivals(starts[None])

    assert (arrivals == exact[number]).all()


@given(st.integers(2, 14), st.integers(1, 3), st.sampled_from((0.0, 1.0, 500.0)), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_ports_one_by_one_are_those_in_closed_form(n, sets, latency, random):
    drawn = [tied(n, random) for _ in range(2 * sets)]
    pairs = np.array([matrix for matrix, _, _ in drawn]).reshape(2, sets, n, n)
    starts = np.array([start for _, start, _ in drawn]).reshape(2, sets, n)
    dim = switch(n, latency=latency).dimensions[0]
    both = zip(queues_of(pairs, dim), ports_of(pairs, as_written(pairs), dim), starts, strict=True)

    assert all((one.ends(start) == all_.ends(start)).all() for one, all_, start in both)


def test_orders_of_issue_are_found_again_and_forgotten_when_they_are_too_many(monkeypatch):
    monkeypatch.setattr("moec.backends.astra.network.custom.compiled_queues.MOST_KEPT", 400)
    orders = Orders()
    for nodes in ([3, 0, 3], [200, 150], [3, 0], [150, 200], [7, 90]):
        first, flat = orders.of(np.array(nodes))
        assert all(flat[first[k] : first[k] + k].tolist() == issue_order(k).tolist() for k in nodes)
        assert len(flat) <= 400


@given(st.integers(2, 6), st.integers(1, 3), st.integers(1, 4), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_repeats_and_groups_are_as_each_by_itself(n, groups, repeats, random):
    topology, congestion = random.choice(("Ring", "Switch", "FullyConnected")), random.choice(("aware", "unaware"))
    net = network(congestion, topology=topology, npus=max(3, n * groups))
    members = np.array(random.sample(range(n * groups), n * groups)).reshape(groups, n)
    pairs = np.array([[tied(n, random)[0] for _ in range(groups)] for _ in range(repeats)])
    starts = np.array([[random.randrange(1, 900) for _ in range(n)] for _ in range(groups)])
    sets = CustomSets(pairs, net, members)

    for repeat in [*range(repeats), 0]:
        alone = [
            custom_alltoall_ns(pairs[repeat, g], net, members=tuple(members[g].tolist()), starts=starts[g])
            for g in range(groups)
        ]
        assert (sets.ends(repeat, starts) == alone).all()


def test_times_that_the_keys_of_ports_cannot_hold_are_simulated():
    matrix, starts = uniform(4096, 4), np.array([1, 1, 1, 1 << 60])
    late = custom_alltoall_ns(matrix, switch(4), starts=starts)
    soon = custom_alltoall_ns(matrix, switch(4), starts=np.array([1, 1, 1, 1 << 30]))

    assert (late - starts.max() == soon - (1 << 30)).all()


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
