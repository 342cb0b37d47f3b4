"""Reading trace files: columns equal to what protobuf decodes, and faults as values."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moec.compiler.chakra.reading.decode import KNOWN
from moec.compiler.chakra.reading.read import content
from moec.compiler.chakra.schema import message_class
from moec.compiler.chakra.trace import FORMS
from moec.compiler.chakra.trace_set import folded, read_set
from moec.compiler.chakra.view import view
from support.traces import As, coll, comp, delimited, encoded, node, recv, send, write_set

SIGNED = ("int32_val", "int64_val", "sint32_val", "sint64_val", "sfixed32_val")
values = st.one_of(
    st.booleans(),
    st.integers(0, 2**63 - 1),
    st.text(max_size=30),
    st.builds(As, st.sampled_from(SIGNED), st.integers(-(2**31), 2**31 - 1)),
    st.builds(
        As, st.sampled_from(("uint32_val", "fixed32_val", "uint64_val", "fixed64_val")), st.integers(0, 2**32 - 1)
    ),
    st.builds(As, st.just("double_val"), st.floats(allow_nan=False)),
    st.builds(As, st.just("bool_list"), st.lists(st.booleans(), max_size=4)),
)
names = st.sampled_from((*KNOWN, "inputs", "something_else_that_is_long"))
nodes = st.builds(
    lambda id, kind, deps, ctrl, name, micros, attrs: node(
        id, kind, deps, ctrl=ctrl, name=name, micros=micros, **attrs
    ),
    st.integers(0, 2**64 - 1),
    st.integers(0, 9),
    st.lists(st.integers(0, 2**64 - 1), max_size=5),
    st.lists(st.integers(0, 1000), max_size=3),
    st.text(min_size=1, max_size=40),
    st.integers(0, 2**40),
    st.dictionaries(names, values, max_size=6),
)


def columns(trace, i):
    """The attributes of node i that are integers or text, as the columns have them."""
    found = {}
    for name, column in trace.attributes.items():
        if column.integer[i]:
            found[name] = int(column.value[i])
        elif FORMS.get(int(column.form[i])) == "string":
            found[name] = trace.text(int(column.start[i]), int(column.end[i]))
    return found


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(nodes, max_size=6))
def test_columns_are_what_protobuf_decodes(written):
    read = content(encoded(written))

    assert read.troubles == ()
    assert len(read.trace) == len(written)
    for i, message in enumerate(written):
        expected = {
            a.name: getattr(a, a.WhichOneof("value"))
            for a in message.attr
            if a.name in KNOWN and a.WhichOneof("value").endswith("_val") and a.WhichOneof("value") != "double_val"
        }
        assert columns(read.trace, i) == {k: int(v) if isinstance(v, bool) else v for k, v in expected.items()}
        assert int(read.trace.id[i]) == message.id
        assert int(read.trace.kind[i]) == message.type
        assert read.trace.name(i) == message.name
        assert int(read.trace.duration_ns[i]) == message.duration_micros * 1000
        deps = read.trace.deps[read.trace.dep_start[i] : read.trace.dep_start[i + 1]]
        assert sorted(deps.tolist()) == sorted([*message.data_deps, *message.ctrl_deps])


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(nodes, min_size=1, max_size=3), st.data())
def test_no_damage_to_the_bytes_raises(written, data):
    raw = bytearray(encoded(written))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))

    read = content(bytes(raw[: data.draw(st.integers(0, len(raw)))]))

    assert len(read.trace) <= len(raw)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise(raw):
    content(raw)
    content(b"\x1f\x8b" + raw)


def test_padded_varints_and_unpacked_dependencies_are_read():
    raw = encoded([]) + delimited(
        b"\x08\x85\x80\x00\x28\x01\x28\x02\x18\x04"
    )  # id 5 in three bytes, data_deps one by one

    trace = content(raw).trace

    assert trace.id.tolist() == [5]
    assert trace.deps.tolist() == [1, 2]


def test_of_two_attributes_with_one_name_the_first_counts():
    twice = comp(1, ns=7)
    twice.attr.add(name="num_ops", int64_val=9)

    assert content(encoded([twice])).trace.integers("num_ops").tolist() == [7]


@pytest.mark.parametrize(
    ("raw", "faults", "left"),
    [
        (b"", ["empty"], 0),
        (encoded([comp(1), comp(2)])[:-3], ["truncated"], 1),
        (encoded([comp(1), comp(2)], metadata=False), ["no-metadata"], 2),
        (encoded([comp(1)]) + delimited(b"\x08\x04\x1b"), ["bad-bytes"], 1),
        (encoded([comp(1)]) + delimited(b"\x52\x02\x0a\x7f"), ["bad-bytes"], 2),
        (encoded([comp(1)]) + b"\xff\xff\xff\xff\xff\xff", ["truncated"], 1),
        (gzip.compress(encoded([comp(1)]), mtime=0), ["gzip"], 1),
        (gzip.compress(encoded([comp(1)]), mtime=0)[:-4], ["gzip", "bad-gzip"], 1),
    ],
    ids=["empty", "cut short", "no metadata", "bad node", "bad attribute", "bad length", "packed", "packed and cut"],
)
def test_what_is_wrong_with_the_bytes_is_said_and_the_rest_is_read(raw, faults, left):
    read = content(raw)

    assert [t.fault for t in read.troubles] == faults
    assert len(read.trace) == left


def test_files_with_the_same_bytes_are_read_once(tmp_path):
    prefix = write_set(tmp_path, [[comp(1)], [comp(1, ns=5)], [comp(1)], [comp(1)]])

    traces = read_set(prefix)

    assert [m.ranks for m in traces.members] == [(0, 2, 3), (1,)]
    assert traces.ranks == (0, 1, 2, 3)


def test_other_files_in_the_folder_are_not_ranks(tmp_path):
    prefix = write_set(tmp_path, [[comp(1)]])
    for name in ("t.01.et", "t.x.et", "other.1.et", "t.2.et.bak"):
        (tmp_path / name).write_bytes(b"")

    assert read_set(prefix).ranks == (0,)


def test_ranks_are_folded():
    assert folded((0, 1, 2, 5, 7, 8)) == "ranks 0-2, 5, 7-8"
    assert folded((4,)) == "rank 4"


def test_a_view_has_every_field_that_is_set():
    trace = content(
        encoded([node(3, 7, [1], ctrl=[2], name="ar", micros=4, comm_size=8, involved_dim=As("bool_list", [True]))])
    ).trace

    assert view(trace, 0).fields == {
        "name": "ar",
        "type": "COMM_COLL",
        "data_deps": (1,),
        "ctrl_deps": (2,),
        "duration_micros": 4,
        "attr.comm_size": 8,
        "attr.involved_dim": (True,),
    }


def test_groups_are_numbers_without_leading_zeros():
    trace = content(encoded([coll(1, group="007"), coll(2, group="0"), coll(3), coll(4, group="tp")])).trace

    assert trace.group == ("7", "", "", "tp")


def test_parents_of_a_repeated_id_are_the_last_node():
    trace = content(encoded([comp(1), comp(1), comp(2, [1]), comp(3, [9])])).trace

    assert trace.parents.tolist() == [1, -1]
    assert np.array_equal(trace.by_id, [1, 2, 3])


def test_sends_and_receives_keep_their_peers():
    trace = content(encoded([send(1, 5, size=10, tag=3), recv(2, 6)])).trace

    assert trace.integers("comm_dst", -1).tolist() == [5, -1]
    assert trace.integers("comm_src", -1).tolist() == [-1, 6]


def test_the_metadata_may_have_attributes():
    metadata = message_class("GlobalMetadata")(version="0.0.4")
    metadata.attr.add(name="schema", string_val="1.0.2-chakra.0.0.4")
    raw = delimited(metadata.SerializeToString()) + encoded([comp(1)], metadata=False)

    assert content(raw).troubles == ()
