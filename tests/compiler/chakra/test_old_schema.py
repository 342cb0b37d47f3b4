"""Traces in the schemas before 0.0.4, written here field by field as their .proto files number them."""

import struct

import pytest

from moec.backends.astra.lint.all_rules import lint
from moec.backends.astra.lint.settings import Settings, beside, subject
from moec.compiler.chakra.reading.read import content
from moec.compiler.chakra.trace import COLL, COMP, MEM_LOAD, SEND
from moec.compiler.chakra.view import view
from moec.compiler.chakra.wire import varint
from support.broken_traces import TWO_DIMS, TWO_RINGS
from support.traces import delimited, encoded, write_set


def number(field, value):
    return varint(field << 3) + varint(value)


def text(field, value):
    data = value if isinstance(value, bytes) else value.encode()
    return varint(field << 3 | 2) + varint(len(data)) + data


def flat(id, name, kind, parents=(), **fields):
    """A node of schema 0.0.1."""
    numbers = {
        "tensor_size": 6,
        "run_time": 7,
        "num_ops": 12,
        "comm_type": 13,
        "comm_dst": 17,
        "comm_size": 18,
        "comm_tag": 19,
    }
    body = number(1, id) + text(2, name) + number(3, kind) + b"".join(number(4, p) for p in parents)
    return delimited(body + b"".join(number(numbers[key], value) for key, value in fields.items()))


def listed(id, name, kind, parents, attributes):
    """A node of schema 0.0.2 or 0.0.3."""
    body = number(1, id) + text(2, name) + number(3, kind) + b"".join(number(4, p) for p in parents)
    return delimited(body + b"".join(text(11, a) for a in attributes))


V1 = b"".join(
    (
        flat(1, "gemm", 3, run_time=500, num_ops=9, tensor_size=4),
        flat(2, "ar", 6, (1,), comm_type=1, comm_size=4096),
        flat(3, "a2a", 6, (2,), comm_type=2, comm_size=64),
        flat(4, "send", 4, (2, 3), comm_dst=1, comm_size=10, comm_tag=7),
    )
)


def test_schema_0_0_1_has_its_attributes_as_fields():
    read = content(V1)

    assert [t.fault for t in read.troubles] == ["old-schema"]
    trace = read.trace
    assert trace.schema == "0.0.1"
    assert trace.kind.tolist() == [COMP, COLL, COLL, SEND]
    assert trace.duration_ns.tolist() == [500, 0, 0, 0]
    assert trace.integers("comm_type", -1).tolist() == [-1, 0, 6, -1]
    assert trace.integers("comm_size").tolist() == [0, 4096, 64, 10]
    assert trace.integers("comm_dst", -1).tolist() == [-1, -1, -1, 1]
    assert trace.deps.tolist() == [1, 2, 2, 3]


def test_schema_0_0_1_is_told_without_attributes():
    assert content(flat(1, "a", 3) + flat(2, "b", 3, (1,))).trace.schema == "0.0.1"


@pytest.mark.parametrize(
    ("schema", "kinds", "integer", "floating", "words"),
    [("0.0.2", (3, 6, 1), (1, 5), (0, 4), (2, 6)), ("0.0.3", (4, 7, 2), (2, 6), (1, 5), (3, 7))],
)
def test_schemas_with_lists_of_attributes(schema, kinds, integer, floating, words):
    def attribute(name, form, value):
        kind, field = form
        body = text(1, name) + number(2, kind)
        if form == floating:
            return body + varint(field << 3 | 5) + struct.pack("<f", value)
        return body + (number(field, value) if form == integer else text(field, value))

    raw = b"".join(
        (
            listed(1, "gemm", kinds[0], (), [attribute("num_ops", integer, 9), attribute("load", floating, 0.5)]),
            listed(
                2,
                "ag",
                kinds[1],
                (1,),
                [
                    attribute("comm_type", integer, 2),
                    attribute("comm_size", integer, 64),
                    attribute("pg_name", words, "3"),
                ],
            ),
            listed(5, "load", kinds[2], (1,), [attribute("tensor_size", integer, 5)]),
        )
    )
    trace = content(raw).trace

    assert trace.schema == schema
    assert trace.kind.tolist() == [COMP, COLL, MEM_LOAD]
    assert trace.integers("comm_type", -1).tolist() == [-1, 2, -1]
    assert trace.integers("comm_size").tolist() == [0, 64, 0]
    assert trace.group == ("", "3", "")
    assert view(trace, 0).fields["attr.num_ops"] == 9
    assert view(trace, 0).fields["attr.load"] == "float"


def test_todays_schema_is_not_taken_for_an_old_one():
    unpacked = encoded([]) + delimited(number(1, 1) + text(2, "a") + number(3, 4) + number(4, 0) + number(5, 0))

    assert content(unpacked).troubles == ()


@pytest.mark.parametrize(
    ("dims", "found"), [((1, 1), set()), ((0, 0), {"involved-dim-none"}), ((1,), {"involved-dim-short"})]
)
def test_the_dimensions_of_a_collective_are_a_field_each(tmp_path, dims, found):
    fields = number(1, 1) + text(2, "ar") + number(3, 6) + number(13, 1)
    node = delimited(fields + b"".join(number(14, d) for d in dims) + number(18, 4096))
    prefix = write_set(tmp_path, [node] * 4, network=TWO_DIMS, system=TWO_RINGS)

    names = {finding.rule.name for finding in lint(subject(prefix, beside(prefix, Settings())))}

    assert {name for name in names if name.startswith("involved-dim")} == found
