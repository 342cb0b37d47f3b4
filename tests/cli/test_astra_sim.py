"""`astra_sim` as the backend of a file or of a command line, with a script in place of the simulator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moec.dsl.export import to_json
from moec.dsl.load import load, load_text
from support.simulators import fake

pytestmark = pytest.mark.slow  # many processes

SPEC = """\
moe 1
use "std/models"
use "std/hardware" as hw
model olmoe = models.olmoe_1b_7b
cluster node { nodes = 1, node = hw.dgx_h100 }
parallelism spread { attention { dp = 4 } }
workload few {
  requests = lengths(input: 64 tokens, output: 6 tokens, count: 16)
  arrivals = poisson(rate: 4000 req/s)
}
experiment tiny {
  model = olmoe, cluster = node, parallelism = spread, workload = few
  backend = astra_sim(every: 3, encoding: padded, congestion: unaware)
}
"""
RUNS = """
import glob
finish(*range(len(glob.glob("moec.*.et"))), ns=2_000_000, exposed=20_000)
leave()
"""
UNAWARE = "AstraSim_Analytical_Congestion_Unaware"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "astra.moe"
    path.write_text(SPEC)
    return path


@pytest.fixture
def simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both binaries, found by the environment; every run takes 2 ms."""
    for name in ("AstraSim_Analytical_Congestion_Aware", UNAWARE):
        fake(tmp_path / "bin", RUNS, name)
    monkeypatch.setenv("MOEC_ASTRA_SIM", str(tmp_path / "bin"))
    return tmp_path / "bin"


def test_the_files_backend_is_used_and_says_what_it_estimated(moec, spec, simulator, tmp_path):
    ran = moec("simulate", spec, "--json", "-o", tmp_path / "out")

    assert ran.code == 0, ran.out
    assert ran.json["backend"] == "astra_sim"
    timed = ran.json["timed"]
    assert timed["simulated"] + timed["reused"] + timed["estimated"] == ran.json["iterations"]
    assert timed["estimated"] > 0
    ratio = timed["ratio_to_fast"]
    assert 0 < ratio["min"] <= ratio["median"] <= ratio["max"]
    (warning,) = [d for d in ran.json["diagnostics"] if d["code"] == "M425"]
    assert warning["title"].startswith(
        f"{timed['estimated']} of {ran.json['iterations']} iterations were not simulated"
    )
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["timed"] == timed == json.loads((tmp_path / "out" / "summary.json").read_text())["timed"]
    assert "M425" in {entry["code"] for entry in manifest["approximations"]}
    assert manifest["costs"]["experts"] == "modelled"


def test_the_table_says_it_too(moec, spec, simulator):
    ran = moec("simulate", spec)

    assert "simulated ÷ estimated" in ran.out
    assert "every = 1" in ran.err


def test_the_command_line_wins_over_the_file(moec, spec, simulator):
    every = moec("simulate", spec, "--json", "--every", "1").json
    assert every["timed"]["estimated"] == 0
    assert every["timed"]["ratio_to_fast"] is None
    assert "M425" not in {d["code"] for d in every["diagnostics"]}

    fast = moec("simulate", spec, "--json", "--backend", "fast").json
    assert fast["backend"] == "fast"
    assert "timed" not in fast


def test_a_dash_does_as_well(moec, spec, simulator):
    spec.write_text(SPEC.replace("  backend = astra_sim(every: 3, encoding: padded, congestion: unaware)\n", ""))

    assert moec("simulate", spec, "--json", "--backend", "astra-sim").json["backend"] == "astra_sim"


def test_options_of_the_simulator_are_refused_for_another(moec, spec):
    ran = moec("simulate", spec, "--backend", "fast", "--every", "2")

    assert ran.code == 2
    assert "`--every` is for the simulator, not for backend `fast`" in ran.err


def test_the_whole_iteration_stands_beside_the_estimate(moec, spec, simulator):
    ran = moec("explain", spec, "--json")

    assert ran.json["backend"] == "astra_sim"
    for phase in ran.json["phases"].values():
        assert phase["compared_us"] == pytest.approx(2000.003)
        assert phase["ops"]
    assert "astra_sim: 2.00 ms" in moec("explain", spec).out


def test_nothing_but_timing_needs_the_simulator(moec, spec, tmp_path, monkeypatch):
    monkeypatch.setenv("MOEC_ASTRA_SIM", str(tmp_path / "nowhere"))

    assert moec("check", spec).code == 0
    assert moec("explain", spec, "--backend", "fast").code == 0
    assert moec("simulate", spec).code == 3


def test_traces_are_compiled_as_the_file_says(moec, spec, tmp_path):
    moec("compile", spec, "-o", tmp_path / "file", "--iterations", "0")
    moec("compile", spec, "-o", tmp_path / "line", "--iterations", "0", "--congestion", "aware", "--splits", "4")

    (row,) = json.loads((tmp_path / "file" / "manifest.json").read_text())["iterations"]
    assert (row["congestion"], row["splits"]) == ("unaware", 1)
    assert any("padded" in text for text in row["approximated"])
    (row,) = json.loads((tmp_path / "line" / "manifest.json").read_text())["iterations"]
    assert (row["congestion"], row["splits"]) == ("aware", 4)


def test_the_backend_is_part_of_the_exported_specification(spec):
    experiment, _ = load(spec)
    again, report = load_text(json.dumps(to_json(experiment)), "again.json", directory=spec.parent)

    assert not report.failed
    assert again.backend == experiment.backend
    assert again.backend.every == 3
