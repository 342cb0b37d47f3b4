"""`moec simulate DIR`: compiled traces timed as they are, with a script in place of the simulator."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from moec.backends.registry import FOLDER_TIMERS
from support.simulators import UNAWARE, fake, real

pytestmark = pytest.mark.slow  # compiles folders

SPEC = """\
moe 1
use "std/models"
use "std/hardware" as hw
model olmoe = models.olmoe_1b_7b
cluster node { nodes = 1, node = hw.dgx_h100 }
parallelism spread { attention { dp = 4 } }
routing hot { popularity = zipf(exponent: 0.8), per_layer = shuffled }
workload few {
  requests = lengths(input: 64 tokens, output: 6 tokens, count: 16)
  arrivals = poisson(rate: 4000 req/s)
}
experiment tiny { model = olmoe, cluster = node, parallelism = spread, routing = hot, workload = few }
"""
RUNS = """
import glob
ranks = len(glob.glob("moec.*.et"))
finish(*range(ranks), ns=1000, exposed=400)
leave()
"""
ASTRA = ("--backend", "astra_sim")


@pytest.fixture
def compiled(moec, tmp_path: Path) -> Path:
    """Iterations 0 and 2."""
    (tmp_path / "spread.moe").write_text(SPEC)
    assert moec("compile", tmp_path / "spread.moe", "-o", tmp_path / "traces", "--iterations", "0,2").code == 0
    return tmp_path / "traces"


@pytest.fixture
def simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = fake(tmp_path / "bin", RUNS)
    monkeypatch.setenv("MOEC_ASTRA_SIM", str(tmp_path / "bin"))
    return path


def test_every_iteration_has_its_time(moec, compiled, simulator):
    ran = moec("simulate", compiled, *ASTRA, "--json")

    assert ran.code == 0, ran.out
    first, second = ran.json["iterations"]
    assert (first["folder"], first["iteration"], first["phase"]) == ("iteration_000000", 0, "prefill")
    assert second["iteration"] == 2
    for row in (first, second):
        assert (row["ranks"], row["time_ns"], row["exposed_ns"], row["first_rank_ns"]) == (4, 1003, 400, 1000)
    assert ran.json["tools"] == [str(simulator)]
    assert ran.json["diagnostics"] == []


def test_the_table_and_the_files_say_the_same(moec, compiled, simulator, tmp_path):
    ran = moec("simulate", compiled, *ASTRA, "-o", tmp_path / "out")

    assert ran.code == 0
    assert "iteration_000002" in ran.out and "1.003" in ran.out
    out = tmp_path / "out"
    manifest = json.loads((out / "manifest.json").read_text())
    assert sorted(p.name for p in out.iterdir()) == manifest["files"]
    assert set(manifest["inputs"]) == {"manifest.json"}
    with (out / "iterations.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["iteration"], row["time_ms"], row["exposed_ms"]) for row in rows] == [
        ("0", "0.001003", "0.000400"),
        ("2", "0.001003", "0.000400"),
    ]
    with (out / "ranks.csv").open() as lines:
        assert len(list(csv.DictReader(lines))) == 8


def test_one_iterations_folder_is_timed_alone(moec, compiled, simulator):
    (row,) = moec("simulate", compiled / "iteration_000002", *ASTRA, "--json").json["iterations"]

    assert (row["iteration"], row["ranks"]) == (2, 4)


def test_a_folder_of_somebody_elses_is_timed_too(moec, compiled, simulator, tmp_path):
    shutil.copytree(compiled / "iteration_000000", tmp_path / "foreign")
    (row,) = moec("simulate", tmp_path / "foreign", *ASTRA, "--json").json["iterations"]

    assert (row["iteration"], row["phase"], row["ranks"], row["time_ns"]) == (None, None, 4, 1003)


def test_two_dimensions_are_for_the_unaware_binary(moec, compiled, simulator, tmp_path):
    foreign = shutil.copytree(compiled / "iteration_000000", tmp_path / "foreign")
    (foreign / "network.yml").write_text(
        "topology: [Switch, Switch]\nnpus_count: [2, 2]\nbandwidth: [50, 50]\nlatency: [1, 1]\n"
    )
    assert moec("simulate", foreign, *ASTRA).code == 3  # only the aware one is there
    unaware = fake(simulator.parent, RUNS, UNAWARE)

    assert moec("simulate", foreign, *ASTRA, "--json").json["tools"] == [str(unaware)]


def test_changed_files_are_timed_with_a_warning(moec, compiled, simulator):
    system = compiled / "iteration_000000" / "system.json"
    system.write_text(system.read_text() + "\n")
    ran = moec("simulate", compiled, *ASTRA, "--json")

    (warning,) = ran.json["diagnostics"]
    assert (ran.code, warning["code"], warning["severity"]) == (0, "M596", "warning")
    assert "`system.json`" in warning["title"] and "iteration_000000" in warning["title"]


def test_a_failed_run_names_its_folder_and_writes_nothing(moec, compiled, tmp_path, monkeypatch):
    fake(tmp_path / "bin", "finish(0, 1)\nleave()")
    monkeypatch.setenv("MOEC_ASTRA_SIM", str(tmp_path / "bin"))
    ran = moec("simulate", compiled, *ASTRA, "-o", tmp_path / "out", "--json")

    assert ran.code == 3
    assert [d["title"].partition(":")[0] for d in ran.json["diagnostics"]] == ["iteration_000000", "iteration_000002"]
    assert not (tmp_path / "out").exists()


def test_a_missing_trace_is_said(moec, compiled, simulator):
    (compiled / "iteration_000002" / "moec.3.et").unlink()
    ran = moec("simulate", compiled, *ASTRA)

    assert ran.code == 3
    assert "`moec.3.et`" in ran.err


@pytest.mark.parametrize("content", ["", "not a folder of ours", "{}", '{"iterations": [{"folder": 3}]}'])
def test_what_is_no_compiled_folder_is_said(moec, tmp_path, simulator, content):
    place = tmp_path / "place"
    place.mkdir()
    if content:
        (place / "manifest.json").write_text(content)
    ran = moec("simulate", place, *ASTRA)

    assert ran.code == 2
    assert "error[M595]" in ran.err and "moec compile FILE -o DIR" in ran.err


def test_options_of_a_specification_are_refused(moec, compiled, simulator):
    ran = moec("simulate", compiled, *ASTRA, "--set", "a=b", "--seed", "1")

    assert ran.code == 2
    assert "`--set` and `--seed`" in ran.err


@pytest.mark.parametrize("output", ["traces", "traces/iteration_000000/out", "traces/new"])
def test_results_never_replace_the_traces(moec, compiled, simulator, tmp_path, output):
    ran = moec("simulate", compiled, *ASTRA, "-o", tmp_path / output, "--force")

    assert ran.code == 2
    assert (compiled / "iteration_000000" / "moec.0.et").exists()


def test_a_backend_that_cannot_says_who_can(moec, compiled, monkeypatch):
    monkeypatch.delitem(FOLDER_TIMERS, "fast")
    ran = moec("simulate", compiled)

    assert ran.code == 2
    assert "`--backend astra_sim` takes a folder" in ran.err


def test_without_a_simulator_the_replay_times_them(moec, compiled, tmp_path):
    ran = moec("simulate", compiled, "--json", "-o", tmp_path / "out")

    assert ran.code == 0, ran.out
    assert ran.json["backend"] == "fast"
    for row in ran.json["iterations"]:
        prefix = compiled / row["folder"] / "moec"
        finish = moec("trace", "time", prefix, "--json").json["finish_ns"]
        assert (row["time_ns"], row["first_rank_ns"], row["ranks"]) == (max(finish), min(finish), 4)
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["backend"] == "fast"


def test_a_trace_that_would_not_finish_is_said_without_a_simulator(moec, compiled):
    (compiled / "iteration_000002" / "moec.3.et").write_bytes(b"")
    ran = moec("simulate", compiled)

    assert ran.code == 3
    assert "error[M607]: iteration_000002: ASTRA-sim aborts" in ran.err
    assert ran.out == ""


@pytest.mark.parametrize("congestion", ["aware", "unaware"])
def test_the_real_simulator_says_what_the_closed_loop_says(moec, tmp_path, monkeypatch, congestion):
    monkeypatch.setenv("MOEC_ASTRA_SIM", str(real(congestion).parent))
    spec = tmp_path / "dense.moe"
    spec.write_text(
        SPEC.replace("models.olmoe_1b_7b", "models.llama_3_1_8b")
        .replace("{ dp = 4 }", "{ tp = 4 }")
        .replace("routing = hot, ", f"backend = astra_sim(congestion: {congestion}), ")
    )
    assert moec("compile", spec, "-o", tmp_path / "traces", "--iterations", "0").code == 0
    (row,) = moec("simulate", tmp_path / "traces", *ASTRA, "--json").json["iterations"]
    assert moec("simulate", spec, "-q", "-o", tmp_path / "run").code == 0
    with (tmp_path / "run" / "iterations.csv").open() as lines:
        first = next(csv.DictReader(lines))
    (replayed,) = moec("simulate", tmp_path / "traces", "--json").json["iterations"]

    assert float(first["device_ms"]) == row["time_ns"] / 1e6
    assert replayed["time_ns"] == row["time_ns"]
