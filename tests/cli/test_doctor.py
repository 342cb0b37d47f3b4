"""`moec doctor`: what there is to work with; a missing simulator is no error, one that does not run is."""

from __future__ import annotations

from pathlib import Path

import pytest

from moec.backends.astra.simulator.smoke import expected_ns
from support.simulators import fake

AWARE_NS = expected_ns("aware")


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MOEC_ASTRA_SIM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_without_a_simulator_it_says_how_to_name_one(moec):
    ran = moec("doctor")

    assert ran.code == 0
    assert "ASTRA-sim was not found" in ran.out and "MOEC_ASTRA_SIM" in ran.out
    assert "numpy" in ran.out
    assert ran.err == ""


def test_a_binary_that_works_is_shown_with_what_it_can_do(moec, tmp_path):
    binary = fake(tmp_path / "sim", f"finish(0, ns={AWARE_NS})\nfinish(1, ns={AWARE_NS - 1})\nleave()")

    ran = moec("doctor", "--astra-sim", binary)

    assert ran.code == 0
    assert str(binary) in ran.out
    assert f"{AWARE_NS} ns simulated" in ran.out and "incast" in ran.out
    assert "was checked against" not in ran.out


def test_a_binary_that_computes_something_else_is_told_apart(moec, tmp_path):
    ran = moec("doctor", "--astra-sim", fake(tmp_path / "sim", "finish(0, 1)\nleave()"))

    assert ran.code == 0
    assert f"was checked against says {AWARE_NS} ns" in ran.out


def test_a_binary_that_does_not_run_is_an_outside_tool_that_failed(moec, tmp_path):
    ran = moec("doctor", "--astra-sim", fake(tmp_path / "sim", "print('boom')\nsys.exit(1)"))

    assert ran.code == 3
    assert "does not run" in ran.out
    assert "> boom" in ran.err


def test_a_path_that_names_nothing_is_an_error(moec, tmp_path):
    ran = moec("doctor", "--astra-sim", tmp_path / "nowhere")

    assert ran.code == 3
    assert "there is no" in ran.err


def test_json_says_the_same(moec, tmp_path):
    binary = fake(tmp_path / "bin", f"finish(0, ns={AWARE_NS})\nfinish(1, ns={AWARE_NS - 1})\nleave()")

    found = moec("doctor", "--json").json

    assert found["ok"] is True
    assert found["astra_sim"][0] | {"wall_s": 0} == {
        "path": str(binary), "congestion": "aware", "found_by": "PATH", "runs": True,
        "finish_ns": AWARE_NS, "expected_ns": AWARE_NS, "as_checked": True, "wall_s": 0,
    }  # fmt: skip
    assert set(found["chakra_tools"]) == {"chakra_jsonizer", "chakra_visualizer", "chakra_timeline_visualizer"}
