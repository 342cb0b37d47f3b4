"""The recorded vLLM runs, where they lie beside the repository: within the bands, with one set of constants."""

from __future__ import annotations

from pathlib import Path

import pytest

from moec.dsl.load import load
from moec.run.session import open_session, simulate
from moec.study.validation.compare import compare
from moec.study.validation.match import match
from moec.study.validation.recorded import read_run
from moec.study.validation.verdict import bands_of, verdict

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "validation"
RUNS = {
    "validate_llama_3_1_8b": "RTXPRO6000--Llama-3.1-8B",
    "validate_qwen3_30b_a3b": "RTXPRO6000--Qwen3-30B-A3B-Instruct-2507",
}
ROOFLINE = ("tpot=12", "makespan=12", "ttft=35", "ttft_mape=18")

pytestmark = [
    pytest.mark.slow,  # whole recorded runs
    pytest.mark.skipif(
        not DATA.is_dir(), reason=f"the recorded runs are not beside the repository ({DATA.name} of docs/validation.md)"
    ),
]


@pytest.mark.parametrize("spec", RUNS)
@pytest.mark.parametrize(("costs", "given"), [("profile", ()), ("roofline", ROOFLINE)])
def test_a_recorded_run_is_met(spec: str, costs: str, given: tuple[str, ...]) -> None:
    overrides = ("costs=roofline()",) if costs == "roofline" else ()
    experiment, report = load(ROOT / "benchmarks" / "specs" / f"{spec}.moe", overrides=overrides)
    assert experiment is not None, report
    session, found = open_session(experiment)
    assert session is not None, found
    assert session.stream is not None
    run, wrong, _ = read_run(DATA / "vllm" / RUNS[spec])
    assert run is not None, wrong
    rows, unlike = match(run, session.stream, experiment)
    assert rows is not None, unlike
    assert not unlike
    results, _ = simulate(session)
    assert results is not None

    comparison = compare(run, rows, results, experiment.serving.overhead.admission)
    checks = verdict(comparison, bands_of(given)[0])

    assert all(check.met for check in checks), checks
