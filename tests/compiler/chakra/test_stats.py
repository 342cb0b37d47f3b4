"""Statistics, differences and drawings of small trace sets."""

import pytest

from moec.compiler.chakra.diff import diff
from moec.compiler.chakra.dot import dot
from moec.compiler.chakra.reading.read import content
from moec.compiler.chakra.stats import Traffic, stats
from moec.compiler.chakra.times import node_ns
from moec.compiler.chakra.trace_set import read_set
from support.traces import coll, comp, memory, recv, send, write_set


def set_of(folder, *ranks):
    return read_set(write_set(folder, ranks))


def encoded_trace(folder, nodes):
    return set_of(folder, nodes).members[0].content.trace


def test_sums_are_over_all_ranks(tmp_path):
    same = [comp(1, ns=10), coll(2, [1], 100, group="1"), coll(3, [2], 7, kind=2), memory(4, [3], 50)]
    found = stats(set_of(tmp_path, same, same, [comp(1, ns=5), send(2, 0, [1], 30), recv(3, 0)]))

    assert (found.ranks, found.distinct) == (3, 2)
    assert found.nodes == {"COMM_COLL": 4, "COMM_RECV": 1, "COMM_SEND": 1, "COMP": 3, "MEM_LOAD": 2}
    assert found.traffic == (Traffic("all_gather", "", 2, 14), Traffic("all_reduce", "1", 2, 200))
    assert (found.sends, found.send_bytes, found.memory_bytes) == (1, 30, 100)
    assert (found.operations, found.kernel_ns, found.busy_ns) == (25, 25, 10)


def test_the_longest_chain_takes_the_slowest_branch(tmp_path):
    branched = [comp(1, ns=10), comp(2, [1], ns=100), comp(3, [1], ns=7), coll(4, [2, 3]), comp(5, [4], ns=1)]

    found = stats(set_of(tmp_path, [comp(1, ns=3)], branched))

    assert (found.path_ns, found.path_rank) == (111, 1)


def test_kernels_in_a_cycle_count_for_nothing(tmp_path):
    assert stats(set_of(tmp_path, [comp(1, ns=10), comp(2, [3]), comp(3, [2])])).path_ns == 10


ROOFLINE = {"roofline-enabled": 1, "peak-perf": 2, "local-mem-bw": 100}


@pytest.mark.parametrize(
    ("kernel", "system", "expected"),
    [
        (comp(1, ns=123), None, 123),
        (comp(1, ns=123, micros=4), None, 4000),
        (comp(1, ns=123, tensor_size=5), None, 1),
        (comp(1, ns=4_000_000, tensor_size=8), ROOFLINE, 2000),
        (comp(1, ns=1000, tensor_size=50_000), ROOFLINE, 500),
        (comp(1, ns=4_000_000, is_cpu_op=True, micros=3), ROOFLINE, 3000),
        (comp(1, ns=4_000_000, micros=3), {"roofline-enabled": 0}, 3000),
    ],
)
def test_kernels_take_the_time_that_the_simulator_gives_them(kernel, system, expected, tmp_path):
    assert node_ns(encoded_trace(tmp_path, [kernel]), system).tolist() == [expected]


def test_a_set_does_not_differ_from_itself(tmp_path):
    one = set_of(tmp_path, [comp(1)], [comp(1), coll(2)])

    assert diff(one, one) == ()


def test_differences_are_told_once_for_ranks_that_differ_alike(tmp_path):
    a = set_of(tmp_path / "a", *([[comp(1, ns=10), comp(2, [1], ns=20), coll(3, [2])]] * 3))
    b = set_of(tmp_path / "b", *([[comp(1, ns=11), comp(2, [1], ns=25), coll(4, [2])]] * 2))

    found = {(d.field, d.ranks, d.node, d.nodes, d.a, d.b, d.total_a, d.total_b) for d in diff(a, b)}

    assert found == {
        ("rank", (2,), None, 0, "present", "(absent)", None, None),
        ("node", (0, 1), 3, 1, "present", "(absent)", None, None),
        ("node", (0, 1), 4, 1, "(absent)", "present", None, None),
        ("attr.num_ops", (0, 1), 1, 2, 10, 11, 30, 36),
    }


def test_dependencies_and_forms_are_compared(tmp_path):
    a = set_of(tmp_path / "a", [comp(1), comp(2, [1]), coll(3, group="1")])
    b = set_of(tmp_path / "b", [comp(1), comp(2, [], ctrl=[1]), coll(3)])

    assert {(d.field, d.a, d.b) for d in diff(a, b)} == {
        ("data_deps", (1,), ()),
        ("ctrl_deps", (), (1,)),
        ("attr.pg_name", "1", "(absent)"),
    }


def test_a_drawing_has_every_node_and_edge(tmp_path):
    trace = encoded_trace(tmp_path, [comp(1, name='a "quoted" name'), coll(2, [1]), comp(3, ctrl=[2])])

    text = dot(trace, (0, 1))

    assert text.startswith('digraph trace {\n  label="ranks 0-1";')
    assert '  n1 [label="1 a \\"quoted\\" name\\nCOMP\\nnum_ops 100\\ntensor_size 1", fillcolor=lightblue];' in text
    assert "  n1 -> n2;" in text
    assert "  n2 -> n3 [style=dashed];" in text
    assert text.endswith("\n}")


def test_an_empty_file_has_statistics(tmp_path):
    assert content(b"").trace.group == ()
    assert stats(set_of(tmp_path, b"")).nodes == {}
