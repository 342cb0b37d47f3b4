"""What a person sees at several widths of the terminal: columns go in a stated order, a figure is never cut."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from moec.cli.console import note, say
from moec.dsl.load import load
from moec.report.explain_tables import explain_report
from moec.report.limits import limits_of
from moec.report.metrics import summary
from moec.report.run_table import run_report
from moec.run.phases import phases_of, typical_of
from moec.run.session import open_session, simulate

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
WIDTHS = (60, 80, 100, 160)


@pytest.fixture(scope="module")
def session():
    experiment, _ = load(ROOT / "examples" / "quickstart.moe", overrides=["workload.goal.ttft_p99=500 ms"])
    return open_session(experiment)[0]


@pytest.fixture(scope="module")
def reports(session):
    results, _ = simulate(session)
    figures = {**summary(results, session.experiment.workload.goal), "wall_s": 0.25}
    limits = limits_of(results, session.experiment.serving, session.prepared.context.layout.dp)
    typical = typical_of(session)
    phases = phases_of(session, typical, studied=True)
    return {
        "explain": explain_report(session.experiment, session.prepared.memory, phases, typical),
        "simulate": run_report(session.experiment, results, figures, limits),
    }


def printed(make, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False, color_system=None)
    console.print(make)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("width", WIDTHS[::-1])
@pytest.mark.parametrize("verb", ["explain", "simulate"])
def test_a_report_at_every_width_is_the_golden_one(verb, width, reports, update_golden):
    seen = printed(reports[verb], width)
    golden = GOLDEN / f"{verb}_{width}.txt"
    if update_golden:
        GOLDEN.mkdir(exist_ok=True)
        golden.write_text(seen, encoding="utf-8")

    assert seen == golden.read_text(encoding="utf-8")
    assert max(len(line) for line in seen.splitlines()) <= width
    assert "…" not in seen


@pytest.mark.parametrize("width", WIDTHS)
def test_times_and_goals_are_there_at_every_width(width):
    explained = (GOLDEN / f"explain_{width}.txt").read_text(encoding="utf-8")
    simulated = (GOLDEN / f"simulate_{width}.txt").read_text(encoding="utf-8")

    assert "44,289.5" in explained
    assert "47.8%" in explained
    assert " met" in simulated


def test_a_stream_without_moecs_signs_gets_others(monkeypatch):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="replace")
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(f"sys.{name}", stream)

    say("██▍░ 2 × h100 · 5 µs …")
    note("a → b")

    assert raw.getvalue().decode() == "###. 2 x h100 - 5 us ...\na -> b\n"
