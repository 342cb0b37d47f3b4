"""Files in, experiments out: paths, hashes, spans, choices, overrides."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from moec.diagnostics import Diagnostic
from moec.diagnostics.render import render
from moec.dsl.load import check_file, load, load_text
from moec.dsl.schema import TraceRequests
from support.specs import WHOLE

TRACED = WHOLE.replace(
    "lengths(input: lognormal(mean: 1024, std: 512), output: uniform(low: 16, high: 512), count: 2_000)",
    'trace("traces/chat.csv")',
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "specs" / "traces").mkdir(parents=True)
    (tmp_path / "specs" / "traces" / "chat.csv").write_text("1,2,3\n")
    (tmp_path / "specs" / "chat.moe").write_text(TRACED)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_paths_are_relative_to_the_file_that_names_them(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, report = load("specs/chat.moe")
    assert report.diagnostics == ()
    assert experiment is not None
    assert experiment.workload is not None
    assert experiment.workload.requests == TraceRequests(str(project / "specs" / "traces" / "chat.csv"))
    assert experiment.directory == "specs"
    monkeypatch.chdir(project / "specs")
    assert load("chat.moe")[0] is not None


def test_every_file_read_is_recorded_by_its_hash(project: Path) -> None:
    experiment, _ = load("specs/chat.moe")
    assert experiment is not None
    assert set(experiment.files) == {"specs/chat.moe", "std/models.moe", "std/hardware.moe", "traces/chat.csv"}
    assert experiment.files["traces/chat.csv"] == hashlib.sha256(b"1,2,3\n").hexdigest()
    assert experiment.files["specs/chat.moe"] == hashlib.sha256(TRACED.encode()).hexdigest()


def test_used_files_are_relative_to_the_file_that_uses_them(project: Path) -> None:
    (project / "shared.moe").write_text('moe 1\nworkload slow { requests = trace("specs/traces/chat.csv") }\n')
    text = TRACED.replace("moe 1\n", 'moe 1\nuse "../shared.moe"\n').replace(
        "workload = chat", "workload = shared.slow"
    )
    (project / "specs" / "uses.moe").write_text(text)
    experiment, report = load("specs/uses.moe")
    assert render(report) == ""
    assert experiment is not None
    assert "specs/../shared.moe" in experiment.files
    assert experiment.names["workload"] == "slow"


def test_a_path_in_a_set_is_relative_to_the_working_directory(project: Path) -> None:
    assert load("specs/chat.moe", overrides=['workload.requests.file="specs/traces/chat.csv"'])[0] is not None
    assert load("specs/chat.moe", overrides=['workload.requests.file="traces/chat.csv"'])[0] is None
    # A definition that is merely named on the command line still stands in its own file.
    assert load("specs/chat.moe", overrides=["workload=chat"])[0] is not None


def test_spans_lead_back_to_the_text() -> None:
    experiment, report = load_text(WHOLE, "whole.moe")
    assert experiment is not None
    ep = experiment.spans["parallelism.experts.ep"]
    assert (
        report.sources["whole.moe"].split("\n")[ep.line - 1][ep.column - 1 : ep.end_column - 1] == "ep = attention.dp"
    )
    assert experiment.spans["model.moe.top_k"].file == "std/models.moe"
    assert experiment.spans["cluster.node"].file == "whole.moe"
    assert "parallelism.experts.tp" not in experiment.spans
    assert experiment.span("parallelism.experts.tp") == experiment.spans["parallelism.experts"]


def test_a_set_has_a_place_too() -> None:
    experiment, report = load_text(WHOLE, overrides=["parallelism.pp=1", "parallelism.attention.dp=4"])
    assert experiment is not None
    assert experiment.spans["parallelism.attention.dp"].file == "--set 2"
    assert report.sources["--set 2"] == "parallelism.attention.dp=4"


@pytest.mark.parametrize(
    ("override", "code"),
    [
        ("parallelism.experts.epp=16", "M101"),
        ("paralelism.pp=1", "M101"),
        ("parallelism.pp", "M001"),
        ("parallelism.pp=", "M001"),
        ("parallelism.pp=1 2", "M001"),
        ("=3", "M001"),
        ("", "M001"),
        ("parallelism.pp=(1", "M002"),
        ("parallelism.pp.x=1", "M212"),
        ("cluster.network.latency=2", "M203"),
        ("parallelism.overlap=ping_pong(micro_batches: 2)", "M190"),
        ("model=models.nobody", "M104"),
        ('workload="chat"', "M201"),
    ],
)
def test_a_bad_override_is_a_diagnostic_that_shows_it(override: str, code: str) -> None:
    experiment, report = load_text(WHOLE, overrides=[override])
    assert experiment is None
    assert [d.code for d in report.diagnostics] == [code]
    assert "--> --set:1:" in render(report)


def test_the_seed_is_one_more_override() -> None:
    experiment, _ = load_text(WHOLE, seed=41)
    assert experiment is not None
    assert experiment.seed == 41
    assert [d.code for d in load_text(WHOLE, seed=-1)[1].diagnostics] == ["M204"]


def test_the_experiment_is_chosen_by_name() -> None:
    two = WHOLE + "experiment slower = serve { parallelism { overlap = none } }\n"
    assert [d.code for d in load_text(two)[1].diagnostics] == ["M114"]
    experiment, _ = load_text(two, experiment="slower")
    assert experiment is not None
    assert (experiment.name, experiment.parallelism.overlap) == ("slower", "none")


def test_another_broken_experiment_does_not_matter() -> None:
    two = WHOLE + "experiment broken = serve { seed = nobody }\n"
    assert load_text(two, experiment="serve")[0] is not None


def test_a_sweep_warns_and_the_experiment_runs() -> None:
    experiment, report = load_text(WHOLE + "sweep s of serve { vary seed in 1..4, where seed > 2 }\n")
    assert experiment is not None
    assert [(d.code, d.severity) for d in report.diagnostics] == [("M191", "warning")]


@pytest.mark.parametrize("path", ["nobody.moe", ".", "nobody.json", "\0"])
def test_a_file_that_cannot_be_read_is_a_diagnostic(path: str) -> None:
    def first(diagnostics: tuple[Diagnostic, ...]) -> str:
        return diagnostics[0].code

    assert first(load(path)[1].diagnostics) == "M501"
    assert first(check_file(path)[1].diagnostics) == "M501"
