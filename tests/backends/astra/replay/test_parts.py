"""The parts of the replay by themselves: tables of the simulator's library, reading many files, rings that begin apart."""

import gc
import random
from dataclasses import fields

import numpy as np
import pytest

from moec.backends.astra.files.system import system_of
from moec.backends.astra.network.custom.issue_order import BUCKETS, issue_order
from moec.backends.astra.network.events.clock import Clock, Deferred
from moec.backends.astra.network.events.inbox import Office, Overlap
from moec.backends.astra.network.events.post import Post
from moec.backends.astra.network.events.wires import wires_of
from moec.backends.astra.network.plan import plan_of
from moec.backends.astra.network.refusal import Stopped, aborts
from moec.backends.astra.network.rings import is_ring, new_track, ring_ends
from moec.backends.astra.network.staggered import apart_ns
from moec.backends.astra.network.started_together import together_ns
from moec.backends.astra.replay.collective_plans import numbered_apart
from moec.backends.astra.replay.custom_sets import places
from moec.backends.astra.replay.hash_table import HashTable
from moec.backends.astra.replay.occupancy import Occupancy, Unsure
from moec.backends.astra.replay.programs.attributes import native_tag
from moec.backends.astra.replay.programs.program import frame_of, program_of, timed
from moec.backends.astra.replay.programs.trace_rows import sheets
from moec.backends.astra.replay.run import time_traces
from moec.compiler.chakra.reading.many_files import apart, batch
from moec.compiler.chakra.reading.read import content
from support.astra_runs import KINDS, network
from support.traces import As, coll, comp, encoded, recv, send


def walked(keys):
    """How an `unordered_set` was measured to be walked through after inserting `keys` one by one, spelled out."""
    buckets, sizes, size = [], iter(BUCKETS), 0
    for count, key in enumerate(keys):
        if count == size:
            size = next(sizes)
            buckets = _inserted([], [k for bucket in reversed(buckets) for k in reversed(bucket)], size)
        buckets = _inserted(buckets, [key], size)
    return [key for bucket in reversed(buckets) for key in reversed(bucket)]


def _inserted(buckets, keys, size):
    for key in keys:
        mine = next((bucket for bucket in buckets if bucket[0] % size == key % size), None)
        if mine is None:
            buckets.append([key])
        else:
            mine.append(key)
    return buckets


def test_a_table_without_removals_is_the_one_that_was_measured():
    drawn = random.Random(3)
    for count in (1, 2, 12, 13, 14, 29, 30, 200):
        keys = drawn.sample(range(10_000), count)
        assert list(HashTable(keys)) == walked(keys)


def test_a_removed_key_that_comes_back_goes_to_the_front_and_the_table_keeps_its_size():
    table = HashTable(range(1, 6))
    table.remove(3)
    table.add(3)
    table.add(16)  # the bucket of 3, of 13

    assert list(table) == [16, 3, 5, 4, 2, 1]
    assert len(table) == 6
    assert 3 in table
    assert 7 not in table


def test_the_places_of_free_nodes_are_their_order_of_issue():
    order = [0] * 40
    for node, place in enumerate(places(40).tolist(), start=1):
        order[place] = node

    assert order == issue_order(40).tolist()


@pytest.mark.parametrize(
    ("written", "kept"), [(5, 5), (500_000_003, 3), (2**31, -(2**31 % 500_000_000)), (2**32 + 9, 9), (-7, -7)]
)
def test_a_tag_has_32_bits_and_a_sign(written, kept):
    assert native_tag(written) == kept


FILES = [
    [comp(1, ns=5), coll(2, [1], size=4096, group="3", involved_dim=As("bool_list", [True, False]))],
    [send(9, 2, size=7, tag=4), recv(11, 2, [9], size=8), comp(12, [9, 11], ctrl=[9])],
    [comp(4)],
]


def test_files_read_together_are_as_read_one_by_one():
    raws = [encoded(nodes) for nodes in FILES]
    found = batch(raws)
    assert found is not None

    for raw, trace, sheet in zip(raws, apart(found), sheets(found, {}), strict=True):
        alone = content(raw).trace
        for column in ("id", "kind", "dep_start", "deps", "duration_ns", "span", "name_start"):
            assert np.array_equal(getattr(trace, column), getattr(alone, column)), column
        assert trace.group == alone.group
        assert [trace.name(i) for i in range(len(trace))] == [alone.name(i) for i in range(len(alone))]
        assert set(trace.attributes) == set(alone.attributes)
        assert np.array_equal(sheet.trace.span, trace.span)


@pytest.mark.parametrize("spoil", [b"", b"\x1f\x8b", b"\x05\x01"])
def test_files_that_are_not_sound_are_left_to_be_read_one_by_one(spoil):
    sound = encoded(FILES[0])

    assert batch([sound, spoil]) is None
    assert batch([sound, sound[:-3]]) is None
    assert batch([sound, encoded(FILES[0], metadata=False)]) is None


def test_numbering_is_no_difference_and_anything_else_is():
    texts = {}

    def key(nodes):
        return sheets(content(encoded(nodes)).trace, texts)[0].shape

    base = key([comp(1, ns=5), coll(2, [1], size=64, group="3")])

    assert key([comp(41, ns=5), coll(42, [41], size=64, group="3")]) == base
    assert key([comp(41, ns=5), coll(43, [41], size=64, group="3")]) != base
    assert key([comp(1, ns=6), coll(2, [1], size=64, group="3")]) != base
    assert key([comp(1, ns=5), coll(2, size=64, group="3")]) != base
    assert key([comp(1, ns=5), coll(2, [1], size=64, group="4")]) != base
    assert key([comp(1, ns=5), coll(2, [1], size=64, group="3", involved_dim=As("bool_list", [True]))]) != base


@pytest.mark.parametrize("seed", range(60))
def test_a_ring_that_begins_apart_ends_as_simulated(seed):
    draw = random.Random(seed)
    topology = draw.choice(("Switch", "FullyConnected", "Ring"))
    npus = draw.choice((3, 4, 8))
    net = network(
        draw.choice(("aware", "unaware")), topology, npus, "ring", latency=draw.choice((0.5, 500.0)),
        splits=draw.choice((1, 3)), local_mem_bw=draw.choice((20.0, 1600.0)), endpoint_ns=draw.choice((1, 10)),
    )  # fmt: skip
    group = None if topology == "Ring" or draw.random() < 0.5 else tuple(draw.sample(range(npus), npus - 1))
    plan = plan_of(draw.choice(KINDS), draw.choice((4096, 100_000)), net, group)
    members = group or tuple(range(npus))
    starts = sorted(draw.randint(1, 4000) for _ in members)

    found = ring_ends(plan, net, members, np.array(starts), new_track(len(members)))

    assert is_ring(plan, net)
    assert found.tolist() == list(apart_ns(plan, net, members, tuple(starts)))
    together = ring_ends(plan, net, members, np.full(len(members), 1), new_track(len(members)))
    if together_ns(plan, net) is not None:
        assert set((together - 1).tolist()) == {together_ns(plan, net)}


def test_links_are_for_one_collective_but_a_ring_may_follow_itself():
    occupancy = Occupancy(network("aware", "Switch", 4))
    occupancy.enter((0, 1), 0, ring=True)
    occupancy.enter((0, 1), 50, ring=True)
    occupancy.enter((2, 3), 0)

    with pytest.raises(Unsure):
        occupancy.enter((1, 2), 60, ring=True)
    occupancy.settle((2, 3), 100)
    with pytest.raises(Unsure):
        occupancy.enter((2, 3), 99)
    occupancy.enter((2, 3), 100)


def test_traces_alike_but_for_their_kernels_share_what_is_not_theirs():
    system = system_of({"scheduling-policy": "LIFO", "roofline-enabled": 1, "peak-perf": 1.0, "local-mem-bw": 50})
    nodes = [comp(1, ns=5), coll(2, [1], size=64), comp(3, [2], ns=9)]
    slower = [comp(1, ns=7, tensor_size=96), coll(2, [1], size=64), comp(3, [2], ns=11)]
    on_cpu = [*slower[:2], comp(3, [2], ns=9, is_cpu_op=True)]
    first, second = (content(encoded(made)).trace for made in (nodes, slower))

    shared = frame_of(program_of(first, system), first).with_kernels(timed(second, np.arange(3), system), 0)

    alone = program_of(second, system)
    assert [getattr(shared, field.name) for field in fields(shared)] == [
        getattr(alone, field.name) for field in fields(alone)
    ]
    assert shared.action != program_of(first, system).action
    read, texts = batch([encoded(made) for made in (nodes, slower, on_cpu)]), {}
    one, two, three = sheets(read, texts)
    assert one.frame == two.frame != three.frame
    assert one.shape != two.shape
    assert one.shape == sheets(first, texts)[0].shape


@pytest.mark.parametrize(("size", "rounded"), [(2**40, False), (2**57, True)])
def test_times_that_the_simulator_rounds_come_with_a_note(tmp_path, size, rounded):
    for rank, nodes in enumerate(([send(1, 1, size=size)], [recv(1, 0, size=size)])):
        (tmp_path / f"t.{rank}.et").write_bytes(encoded(nodes))
    (tmp_path / "system.json").write_text('{"scheduling-policy": "LIFO"}')
    (tmp_path / "network.yml").write_text(
        "topology: [ Switch ]\nnpus_count: [ 2 ]\nbandwidth: [ 1.0 ]\nlatency: [ 1.0 ]\n"
    )

    timing = time_traces(tmp_path / "t", system=tmp_path / "system.json", network=tmp_path / "network.yml")

    assert any("2^53" in note for note in timing.notes) == rounded


def test_what_is_still_to_come_when_a_run_is_stopped_is_given_up_without_a_crash():
    def stop(_):
        raise Stopped(aborts("for a test"))

    clock = Clock()
    post = Post(clock, wires_of(network("aware", "Switch", 2), clock), 2)
    for tag in range(200_000):
        clock.at(1000, print, None)
        post.send(tag, 0, 1, 64, None)
    clock.at(5, stop, None)

    with pytest.raises(Stopped):
        clock.run()
    del clock, post
    gc.collect()


def test_groups_whose_numbers_come_to_the_same_tags_are_not_told_apart_by_them():
    assert numbered_apart([1, 2, 499])
    assert not numbered_apart([1, 501])
    assert not numbered_apart([500])


def test_an_inbox_counts_for_each_sender_and_is_forgotten_when_nothing_is_left():
    office, came = Office(3), Deferred(print, None)
    inbox = office.claim(7, 0, 64, came)

    assert not inbox.expect(1)
    early = office.slip(7, 2, 0, 64)
    early.arrive()
    assert inbox.expect(2)
    with pytest.raises(Overlap):
        office.claim(7, 0, 64, Deferred(print, None))
    office.slip(7, 1, 0, 64).arrive()
    office.release(inbox)
    assert office.claim(7, 0, 64, came) is not inbox
