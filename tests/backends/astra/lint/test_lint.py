"""Every rule finds its broken trace set, and sound ones pass."""

import json
from pathlib import Path

import pytest

from moec.backends.astra.files.network_yaml import read
from moec.backends.astra.files.reading import Unreadable
from moec.backends.astra.lint.all_rules import RULES, lint
from moec.backends.astra.lint.settings import Settings, beside, subject
from support.broken_traces import BINARY, BROKEN, TWO_DIMS, TWO_RINGS, chain
from support.traces import As, coll, comp, encoded, memory, recv, send, write_set

ALSO = {
    "empty-file": {"no-free-node"},
    "bad-gzip": {"gzip", "truncated"},
    "peer-range": {"send-without-receive"},
    "receive-without-send": {"send-without-receive"},
    "no-remote-memory": {"statistics-lost"},
    "statistics-abort": {"statistics-lost"},
    "custom-missing": {"receive-without-send", "send-without-receive"},
    "custom-peer": {"receive-without-send", "send-without-receive"},
}
"""What else a set cannot help breaking."""


def findings(prefix, binary=None):
    return lint(subject(prefix, beside(prefix, Settings(binary=binary))))


def names(prefix, binary=None):
    return {f.rule.name for f in findings(prefix, binary)}


def errors(prefix):
    return {f.rule.name for f in findings(prefix) if f.rule.severity == "error"}


def test_every_rule_has_a_broken_set():
    assert set(BROKEN) == set(RULES)


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_set_is_found_and_nothing_else(rule, tmp_path):
    prefix = BROKEN[rule](tmp_path)

    assert names(prefix, BINARY.get(rule)) == {rule} | ALSO.get(rule, set())


def test_every_rule_says_what_the_simulator_does_and_what_to_do():
    assert all(rule.does and rule.fix for rule in RULES.values())


def test_the_guide_has_every_rule_in_its_words():
    guide = (Path(__file__).parents[4] / "docs" / "traces.md").read_text(encoding="utf-8")

    rows = [f"| `{r.name}` | {r.severity} | {r.does} | {r.fix} |" for r in RULES.values()]
    assert [row for row in rows if row not in guide] == []


SOUND = {
    "chain": ([chain()] * 4, {}),
    "two dimensions": ([chain()] * 4, {"network": TWO_DIMS, "system": TWO_RINGS}),
    "groups": ([chain(group="1")] * 2 + [chain(group="2")] * 2, {"groups": {"1": [0, 1], "2": [2, 3]}}),
    "integers of any kind": ([chain(As("uint32_val", 4096)), chain(As("sint64_val", 4096)), chain(), chain()], {}),
    "groups before all ranks": (
        [[coll(1, group="1"), coll(3, [1])]] * 2 + [[coll(2, group="2", size=8192), coll(3, [2])]] * 2,
        {"groups": {"1": [0, 1], "2": [2, 3]}},
    ),
    "messages": ([[send(1, 1)], [recv(1, 0)], [comp(1)], [comp(1)]], {}),
    "both ways": ([[send(1, 1), recv(2, 1)], [send(1, 0), recv(2, 0)], [comp(1)], [comp(1)]], {}),
    "memory": (
        [[comp(1), memory(2, [1])]] * 4,
        {"memory": {"memory-type": "PER_NPU_MEMORY_EXPANSION", "remote-mem-bw": 50}},
    ),
    "replay": ([[comp(1, micros=3), coll(2, [1])]] * 4, {"system": {"roofline-enabled": 0}}),
    "recorded times only": ([[coll(1, kind=1, micros=3)]] * 4, {"system": {"replay-only": 1}}),
    "ids in any order": ([[comp(9), coll(3, [9]), comp(5, [3])]] * 4, {}),
    "a repeated dependency": ([[comp(1), comp(2, [1, 1], ctrl=[1])]] * 4, {}),
}


@pytest.mark.parametrize("name", SOUND)
def test_nothing_is_found_in_a_sound_set(name, tmp_path):
    ranks, files = SOUND[name]
    prefix = write_set(tmp_path, ranks, **files)

    assert errors(prefix) == set()


def test_ranks_that_are_wrong_alike_are_one_finding(tmp_path):
    prefix = write_set(tmp_path, [[comp(1), coll(2 + rank, [1], 3, kind=2)] for rank in range(4)])

    (finding,) = (f for f in findings(prefix) if f.rule.name == "gather-below-splits")

    assert (finding.ranks, finding.node, finding.nodes) == ((0, 1, 2, 3), 2, 1)


def test_the_order_of_issue_is_that_of_ids_among_what_is_ready(tmp_path):
    # On ranks 0 and 1 the short kernel makes node 5 ready first; on 2 and 3 a dependency puts node 4 first.
    early = [comp(1, ns=10), comp(2, [1], ns=9000), coll(4, [2], group="1"), coll(5, [1], group="1", size=8192)]
    late = [comp(1, ns=10), comp(2, [1], ns=9000), coll(4, [2], group="1"), coll(5, [4], group="1", size=8192)]
    prefix = write_set(tmp_path, [early, early, late, late], groups={"1": [0, 1, 2, 3]})

    assert errors(prefix) == {"collective-mismatch"}


def test_a_collective_occupies_the_slot_that_a_send_needs(tmp_path):
    # Rank 0 waits in a collective for rank 1, which waits for rank 0 to send: only one communication runs at a time.
    prefix = write_set(
        tmp_path,
        [[coll(1, group="1"), send(2, 1)], [recv(1, 0), coll(2, [1], group="1")], [comp(1)], [comp(1)]],
        groups={"1": [0, 1]},
    )

    found = {(f.rule.name, f.ranks, f.node) for f in findings(prefix)}

    assert found == {("deadlock", (0,), 1), ("deadlock", (1,), 1)}


def test_crossed_sends_and_receives_deadlock_when_the_receive_comes_first(tmp_path):
    prefix = write_set(tmp_path, [[recv(1, 1), send(2, 1, [1])], [recv(1, 0), send(2, 0, [1])], [comp(1)], [comp(1)]])

    assert errors(prefix) == {"deadlock"}


def test_a_custom_collective_may_have_any_size(tmp_path):
    prefix = write_set(
        tmp_path,
        [chain(1000 * (rank + 1)) for rank in range(4)],
        system={"all-reduce-implementation-custom": [str(tmp_path / "own")], "preferred-dataset-splits": 1},
    )
    for rank in range(4):
        (tmp_path / f"own.{rank}.et").write_bytes(encoded([comp(1)]))

    assert names(prefix) == set()


def test_a_custom_collective_whose_messages_do_not_meet_is_found(tmp_path):
    system = {"all-reduce-implementation-custom": [str(tmp_path / "own")], "preferred-dataset-splits": 1}
    prefix = write_set(tmp_path, [chain()] * 4, system=system)
    for rank, nodes in enumerate(([send(1, 1)], [recv(1, 0, size=5)], [comp(1)], [comp(1, [9])])):
        (tmp_path / f"own.{rank}.et").write_bytes(encoded(nodes))

    assert names(prefix) == {"receive-without-send", "send-without-receive", "dangling-dependency"}


def test_a_network_of_another_size_leaves_files_aside(tmp_path):
    prefix = write_set(tmp_path, [chain()] * 6)

    assert names(prefix) == {"extra-rank"}


def test_without_configuration_only_the_traces_are_judged(tmp_path):
    prefix = write_set(tmp_path, [chain(1048577)] * 4)

    assert lint(subject(prefix, Settings())) == ()


NPU_MEMORY = {"memory-type": "PER_NPU_MEMORY_EXPANSION", "remote-mem-bw": 50, "remote-mem-latency": 100}
NODE_MEMORY = {**NPU_MEMORY, "memory-type": "PER_NODE_MEMORY_EXPANSION"}


@pytest.mark.parametrize(
    ("file", "found"),
    [
        (NPU_MEMORY, set()),
        ({**NPU_MEMORY, "remote-mem-bw": 0.5}, {"bad-memory"}),
        ({**NPU_MEMORY, "remote-mem-latency": 1.5}, {"memory-fraction"}),
        (NODE_MEMORY, {"bad-memory"}),
        ({**NODE_MEMORY, "num-nodes": 2, "num-npus-per-node": 2}, set()),
    ],
)
def test_a_memory_file_has_what_its_kind_needs(file, found, tmp_path):
    prefix = write_set(tmp_path, [[comp(1), memory(2, [1])]] * 4, memory=file)

    assert names(prefix) == found | {"statistics-lost"}


def test_a_message_at_the_very_start_takes_a_nanosecond_at_least(tmp_path):
    def sent(size, *before, **network):
        ranks = [[*before, send(9, 1, [1] if before else [], size=size)], [recv(1, 0, size=size)], [comp(1)], [comp(1)]]
        return write_set(tmp_path / f"{size}{len(before)}{len(network)}", ranks, network=network)

    assert "instant-message" in names(sent(10), "aware")  # 10 bytes pass a link of 53.7 bytes/ns in no time
    assert "instant-message" not in names(sent(60), "aware")
    assert "instant-message" not in names(sent(10), "unaware")  # which counts the latency with it
    assert "instant-message" in names(sent(10, latency=[0.0]), "unaware")
    assert "instant-message" not in names(sent(10, comp(1)), "aware")


def test_direct_hides_that_a_switch_stores_messages(tmp_path):
    direct = write_set(tmp_path / "direct", [chain(kind=6)] * 4)
    pieces = {"preferred-dataset-splits": 8, "active-chunks-per-dimension": 8}
    ring = write_set(tmp_path / "ring", [chain()] * 4, system=pieces)

    assert names(direct, "aware") == names(ring, "aware") == set()


@pytest.mark.parametrize("text", ["{", "[1]", b"\xff\xfe", '{"endpoint-delay": NaN}', '{"endpoint-delay": 1e999}'])
def test_a_configuration_that_cannot_be_read_is_said(text, tmp_path):
    prefix = write_set(tmp_path, [chain()] * 4)
    data = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "system.json").write_bytes(data)

    with pytest.raises(Unreadable, match=r"system\.json"):
        findings(prefix)


def test_the_mark_that_editors_put_before_a_text_is_read_over(tmp_path):
    prefix = write_set(tmp_path, [chain()] * 4)
    for name in ("system.json", "network.yml"):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + (tmp_path / name).read_bytes())

    assert not names(prefix)


def test_the_yaml_of_the_simulator_is_read():
    text = "# a network\ntopology: [ Ring, 'Switch' ]  # two\nnpus_count:\n  - 2\n  - 4\nlatency: [1.5,\n  2e3]\n7: /a/b#c\n"

    assert read(text) == {
        "topology": ["Ring", "Switch"],
        "npus_count": [2, 4],
        "latency": [1.5, 2000.0],
        "7": "/a/b#c",
    }


@pytest.mark.parametrize(
    "text",
    [
        '{"topology": ["Ring"], "npus_count": [4], "bandwidth": [50.0], "latency": [500]}',
        "{\n  topology: [ Ring ], npus_count: [ 4 ],\n  bandwidth: [ 50.0 ], latency: [ 500 ]  # alike\n}\n",
        "topology:\n- Ring\nnpus_count:\n- 4\nbandwidth:\n- 50.0\nlatency:\n- 500\n",
        "---\n  topology: [Ring]\n  npus_count: [4]\n  bandwidth: [50.0]\n  latency: [500]\n---\nbandwidth: [5]\n",
        "note: |\n  bandwidth: [5]\ntopology: [Ring]\nnpus_count: [4]\nbandwidth: [50.0]\nlatency: [500]\n",
        "topology: [Ring]\nnpus_count: [4]\nbandwidth: [50.0]\nlatency: [500]\nold:\n  was:\n    bandwidth: [5]\n",
    ],
)
def test_a_network_is_the_same_however_it_is_laid_out(text):
    found = read(text)

    expected = {"topology": ["Ring"], "npus_count": [4], "bandwidth": [50.0], "latency": [500]}
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize("number", ["1_000", "inf", "nan", "infinity"])
def test_only_python_takes_these_for_numbers(number):
    assert read(f"bandwidth: [ {number} ]\n") == {"bandwidth": [number]}


def test_ranks_alike_are_played_as_one_and_as_fast(tmp_path):
    # 256 ranks with one trace of 300 nodes: read once and played once.
    nodes = [comp(1)] + [coll(i, [i - 1]) if i % 3 == 0 else comp(i, [i - 1]) for i in range(2, 301)]
    prefix = write_set(tmp_path, [nodes] * 256, network={"npus_count": [256]}, system={"preferred-dataset-splits": 1})
    made = subject(prefix, beside(prefix, Settings()))

    assert len(made.traces.members) == 1
    assert lint(made) == ()


def test_the_files_beside_the_traces_are_used_unless_others_are_given(tmp_path):
    prefix = write_set(tmp_path / "a", [chain()] * 4)
    other = tmp_path / "other.json"
    other.write_text(json.dumps({}))

    found = lint(subject(prefix, beside(prefix, Settings(system=other))))

    assert {"no-splits", "no-algorithm"} <= {f.rule.name for f in found}


def test_a_slip_in_the_network_does_not_take_all_memory(tmp_path):
    prefix = write_set(tmp_path, [[comp(1)]] * 2, network={"npus_count": [10**9]})

    (finding,) = findings(prefix)

    assert finding.sentence == "no file for 999999998 of 1000000000 ranks"


@pytest.mark.parametrize(
    ("value", "on"), [(0, False), (0.0, False), (1, True), (False, True), (True, True), ("0", True)]
)
def test_the_roofline_is_off_by_the_number_0_only(value, on, tmp_path):
    prefix = write_set(tmp_path, [chain()] * 4, system={"roofline-enabled": value})

    assert subject(prefix, beside(prefix, Settings())).roofline is on


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("endpoint-delay", "10", '`endpoint-delay` is "10", not a number'),
        ("endpoint-delay", -5, "`endpoint-delay` is -5, below 0"),
        ("model-shared-bus", None, None),
        ("peak-perf", True, "`peak-perf` is true, not a number"),
        ("per-node-custom-implementation", [], "`per-node-custom-implementation` is [], not a text"),
    ],
)
def test_settings_of_another_type(key, value, says, tmp_path):
    prefix = write_set(tmp_path, [chain()] * 4, system={key: value})

    assert [f.sentence for f in findings(prefix) if f.rule.name == "bad-setting"] == ([says] if says else [])


@pytest.mark.parametrize(
    ("memory_file", "says"),
    [
        ({**NODE_MEMORY, "num-nodes": 1, "num-npus-per-node": 2}, "rank 3, with nodes for 2 ranks"),
        ({**NPU_MEMORY, "remote-mem-bw": "50"}, '`remote-mem-bw` is "50", not a number'),
        ({**NPU_MEMORY, "remote-mem-latency": True}, "`remote-mem-latency` is true, not a number"),
    ],
)
def test_a_memory_that_does_not_fit(memory_file, says, tmp_path):
    prefix = write_set(tmp_path, [[memory(1)]] * 4, memory=memory_file)

    assert any(says in f.sentence for f in findings(prefix) if f.rule.name == "bad-memory")


def test_a_network_file_of_keys_alone_is_a_finding(tmp_path):
    prefix = write_set(tmp_path, [chain()] * 4)
    (tmp_path / "network.yml").write_text("topology:\nnpus_count:\nbandwidth: [.nan]\nlatency:\n")

    assert "bandwidth is .nan" in {f.sentence for f in findings(prefix)}
