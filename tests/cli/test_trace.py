"""`moec trace`: results on stdout, exit codes, JSON."""

import json
from pathlib import Path

import pytest

from moec.cli.main import run
from support.broken_traces import BROKEN, chain
from support.traces import comp, write_set


@pytest.fixture
def sound(tmp_path):
    return write_set(tmp_path / "sound", [chain()] * 4)


def test_a_sound_set_says_so(sound, capsys):
    assert run(["trace", "lint", sound]) == 0

    assert capsys.readouterr().out == f"{sound}: 4 ranks, 12 nodes: nothing found\n"


def test_an_error_has_its_place_what_happens_and_a_fix(tmp_path, capsys):
    prefix = BROKEN["dangling-dependency"](tmp_path)

    assert run(["trace", "lint", prefix]) == 1

    assert capsys.readouterr().out.splitlines() == [
        "error[dangling-dependency]: rank 0, node 2 'n2': depends on node 77, which does not exist",
        "  = the simulator aborts: `Node … in data_dep graph, but not found in index, file might be corrupted`",
        "  = help: drop the dependency, or write the node that it names",
        "",
        f"{prefix}: 4 ranks, 5 nodes: 1 error, 0 warnings",
    ]


def test_warnings_alone_leave_the_exit_code(tmp_path, capsys):
    assert run(["trace", "lint", BROKEN["indivisible-size"](tmp_path)]) == 0

    assert "warning[indivisible-size]: ranks 0-3, node 2" in capsys.readouterr().out


def test_json_is_one_object(tmp_path, capsys):
    prefix = BROKEN["cycle"](tmp_path)

    assert run(["trace", "lint", prefix, "--json"]) == 1

    said = json.loads(capsys.readouterr().out)
    assert {k: said[k] for k in ("ok", "prefix", "ranks", "nodes")} == {
        "ok": False,
        "prefix": prefix,
        "ranks": 4,
        "nodes": 6,
    }
    (finding,) = said["findings"]
    assert finding["rule"] == "cycle"
    assert finding["ranks"] == [0]
    assert finding["node"] == {"id": 2, "name": "n2", "nodes": 2}


def test_the_binary_decides(tmp_path, capsys):
    prefix = BROKEN["aware-one-dimension"](tmp_path)

    assert run(["trace", "lint", prefix, "--binary", "unaware"]) == 0
    assert run(["trace", "lint", prefix, "--binary", "aware"]) == 1
    assert "aware-one-dimension" in capsys.readouterr().out


def test_what_was_not_looked_at_is_said(tmp_path, capsys):
    (tmp_path / "x.0.et").write_bytes(
        (tmp_path / write_set(tmp_path / "s", [chain()])).with_suffix(".0.et").read_bytes()
    )

    assert run(["trace", "lint", str(tmp_path / "x")]) == 0

    assert "(rules that need --system, --network, --memory were left out)" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["lint", "stats", "dot"])
def test_no_trace_is_a_wrong_command_line(verb, tmp_path, capsys):
    assert run(["trace", verb, str(tmp_path / "none")]) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert "there is no trace" in said.err


def test_a_configuration_file_that_is_not_there(sound, capsys):
    assert run(["trace", "lint", sound, "--system", "nowhere.json", "--json"]) == 2

    assert json.loads(capsys.readouterr().out)["diagnostics"][0]["title"].startswith("cannot read nowhere.json")


def test_stats_as_a_table_and_as_json(sound, capsys):
    assert run(["trace", "stats", sound]) == 0
    table = capsys.readouterr().out
    assert run(["trace", "stats", sound, "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    assert "all_reduce" in table
    assert said["nodes"] == {"COMM_COLL": 4, "COMP": 8}
    assert said["path_ns"] == 200


def test_diff_has_an_exit_code_and_both_values(sound, tmp_path, capsys):
    other = write_set(tmp_path / "other", [[comp(1, ns=70), *chain()[1:]]] * 4)

    assert run(["trace", "diff", sound, sound]) == 0
    assert run(["trace", "diff", sound, other]) == 1
    assert capsys.readouterr().out == "no differences\nranks 0-3, node 1 'n1': attr.num_ops 100 -> 70\n"


def test_diff_as_json(sound, tmp_path, capsys):
    assert run(["trace", "diff", sound, write_set(tmp_path / "other", [chain()] * 3), "--json"]) == 1

    (only,) = json.loads(capsys.readouterr().out)["differences"]
    assert (only["field"], only["ranks"], only["a"], only["b"]) == ("rank", [3], "present", "(absent)")


def test_dot_draws_the_rank_asked_for(sound, capsys):
    assert run(["trace", "dot", sound, "--rank", "2"]) == 0
    assert 'label="ranks 0-3"' in capsys.readouterr().out
    assert run(["trace", "dot", sound, "--rank", "9"]) == 2


@pytest.mark.parametrize(("verb", "printed"), [("stats", "ranks"), ("dot", "digraph"), ("diff", "")])
def test_damage_is_an_error_after_what_could_be_read(verb, printed, tmp_path, capsys):
    prefix = BROKEN["truncated"](tmp_path)
    arguments = ["trace", verb, prefix, *([prefix] if verb == "diff" else [])]

    assert run(arguments) == 1

    said = capsys.readouterr()
    assert printed in said.out
    assert f"error[M503]: `{prefix}`, rank 0: the file ends within a record" in said.err
    assert run([*arguments, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["ok"]
    assert told["diagnostics"][0]["code"] == "M503"


def test_a_packed_trace_is_read_whole(tmp_path, capsys):
    assert run(["trace", "stats", BROKEN["gzip"](tmp_path)]) == 0

    assert "warning: rank 0: the file is packed by gzip" in capsys.readouterr().err


def test_a_file_that_may_not_be_opened_is_damage_too(sound, capsys, monkeypatch):
    monkeypatch.setattr(Path, "read_bytes", _denied(Path.read_bytes, "t.2.et"))

    assert run(["trace", "stats", sound]) == 1

    assert "rank 2: the file cannot be read: permission denied" in capsys.readouterr().err


def _denied(real, name):
    def read(path):
        if path.name == name:
            raise PermissionError(13, "Permission denied")
        return real(path)

    return read


def test_a_verb_is_needed(capsys):
    assert run(["trace"]) == 2
    assert "moec trace --help" in capsys.readouterr().err
