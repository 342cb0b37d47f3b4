"""`moec trace time`: results on stdout, exit codes, JSON; and the function behind it."""

import json
import shutil
from pathlib import Path

import pytest

import moec
from moec.cli.main import run
from support.broken_traces import BROKEN
from support.traces import coll, comp, send, write_set

MB = 1 << 20


@pytest.fixture
def prefix(tmp_path):
    """Four ranks, the last one late for an all-reduce."""
    return write_set(
        tmp_path / "set", [[comp(1, ns=100), coll(2, [1], size=MB)]] * 3 + [[comp(1, ns=900), coll(2, [1], size=MB)]]
    )


def test_ranks_that_finish_alike_share_a_row(prefix, capsys):
    assert run(["trace", "time", prefix]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "ranks       finish, ns   exposed communication, ns",
        "──────────────────────────────────────────────────",
        "ranks 0-2       82,940                      82,840",
        "rank 3          83,740                      82,840",
    ]


def test_json_has_an_integer_per_rank_under_the_functions_names(prefix, capsys):
    assert run(["trace", "time", prefix, "--backend", "unaware", "--json", "--nodes"]) == 0

    said = json.loads(capsys.readouterr().out)
    timing = moec.time_traces(
        prefix, system=prefix[:-1] + "system.json", network=prefix[:-1] + "network.yml", congestion="unaware"
    )
    assert said["finish_ns"] == list(timing.finish_ns)
    assert said["exposed_ns"] == list(timing.exposed_ns)
    assert said["nodes"][3]["id"] == [1, 2]
    assert said["nodes"][3]["name"] == ["n1", "n2"]
    assert said["nodes"][3]["start_ns"] == [0, 900]
    assert said["nodes"][3]["end_ns"] == [900, timing.finish_ns[3]]


def test_what_hangs_the_simulator_is_an_error_that_says_so(tmp_path, capsys):
    prefix = write_set(tmp_path / "set", [[coll(1, size=MB)]] * 3 + [[coll(1, size=2 * MB)]])

    assert run(["trace", "time", prefix]) == 1

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[0] == (
        "error[M607]: ASTRA-sim hangs (exit code 0, not every rank finishes): 4 of 4 ranks never finish: rank 0 waits "
        "for ever in node 1 (n1)"
    )


@pytest.mark.parametrize("name", ["dangling-dependency", "unknown-group", "metadata-node", "missing-rank"])
def test_every_end_but_a_finish_is_refused(name, tmp_path, capsys):
    assert run(["trace", "time", BROKEN[name](tmp_path), "--json"]) == 1

    (diagnostic,) = json.loads(capsys.readouterr().out)["diagnostics"]
    assert diagnostic["code"] == "M607"
    assert diagnostic["title"].startswith("ASTRA-sim ")


def test_files_that_are_not_there_are_wrong_commands(prefix, tmp_path, capsys):
    assert run(["trace", "time", str(tmp_path / "nothing")]) == 2
    assert run(["trace", "time", prefix, "--system", str(tmp_path / "none.json")]) == 2

    said = capsys.readouterr().err
    assert "there is no trace `" in said and "a prefix is what stands before `.0.et`" in said
    assert "cannot read" in said


def test_traces_without_configurations_say_which_is_lacking(prefix, tmp_path, capsys):
    alone = tmp_path / "alone"
    alone.mkdir()
    for trace in Path(prefix).parent.glob("*.et"):
        shutil.copy(trace, alone)

    assert run(["trace", "time", str(alone / Path(prefix).name)]) == 2
    assert "no system file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("NaN", "it has no number `NaN`"),
        ("-Infinity", "it has no number `-Infinity`"),
        ("1e999", "`1e999` is beyond a double"),
    ],
)
def test_a_number_that_json_has_not_is_no_json(number, why, prefix, tmp_path, capsys):
    system = tmp_path / "odd.json"
    system.write_text(f'{{"endpoint-delay": {number}}}')

    assert run(["trace", "time", prefix, "--system", str(system)]) == 2
    assert f"odd.json is not JSON: {why}" in capsys.readouterr().err


@pytest.mark.parametrize("scale", ["inf", "nan", "1e300"])
def test_an_injection_scale_beyond_integers_is_a_wrong_command(scale, prefix, capsys):
    assert run(["trace", "time", prefix, "--injection-scale", scale]) == 2
    assert "'--injection-scale'" in capsys.readouterr().err


def test_a_bus_on_which_the_simulator_may_trip_is_noted(tmp_path):
    keys = {"model-shared-bus": 1, "G": 0.01, "preferred-dataset-splits": 1}
    prefix = write_set(tmp_path / "set", [[comp(1)]] * 4, system=keys)

    timing = moec.time_traces(prefix, system=prefix[:-1] + "system.json", network=prefix[:-1] + "network.yml")

    assert any("memory that it has given back" in note for note in timing.notes)


def test_the_function_raises_what_the_simulator_does(tmp_path):
    prefix = write_set(tmp_path / "set", [[comp(1), send(2, 9, [1])]] + [[comp(1)]] * 3)

    with pytest.raises(moec.Refused, match="ASTRA-sim aborts: rank 0 sends to rank 9 of 4") as caught:
        moec.time_traces(prefix, system=prefix[:-1] + "system.json", network=prefix[:-1] + "network.yml")

    assert caught.value.refusal.status == -6


@pytest.mark.parametrize("given", ["set", "set/", ".", "set/t.0.et", "set/t.0", "set/t.", "set/t.et"])
@pytest.mark.parametrize("verb", ["time", "stats"])
def test_a_folder_or_a_file_in_place_of_a_prefix_is_put_right(verb, given, tmp_path, monkeypatch, capsys):
    write_set(tmp_path / "set", [[comp(1)]] * 4)
    monkeypatch.chdir(tmp_path)

    assert run(["trace", verb, given]) == 2

    assert "a prefix is what stands before `.0.et`; here: `set/t`" in capsys.readouterr().err


def test_many_sets_in_a_folder_are_counted(tmp_path, capsys):
    for name in "abcde":
        write_set(tmp_path / name, [[comp(1)]])

    assert run(["trace", "time", str(tmp_path)]) == 2

    assert f"`{tmp_path}/c/t` and 2 more" in capsys.readouterr().err
