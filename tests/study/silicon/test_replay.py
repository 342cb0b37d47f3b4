"""Replaying rows on the stand-in: the specification, the means, the scores, the files and the verb."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from moec.cli.main import run
from moec.compiler.costs.silicon import package
from moec.dsl.load import load_text
from moec.dsl.schema import ClosedLoop, Lengths, UniformLength
from moec.serving.results import RequestTable
from moec.study.silicon.replay import Replayed, _means, replay
from moec.study.silicon.scores import by_engine, reasons, score, scores, spearman
from moec.study.silicon.specs import MODELS, specification
from moec.study.silicon.study import study
from moec.study.silicon.study_files import study_files, summary
from support.silicon_rows import ROW
from support.silicon_tables import Stand, measurement, whole_device

pytestmark = pytest.mark.slow  # replays serving rows


@pytest.fixture
def stand(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "site").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    made = Stand(tmp_path / "site")
    made.write("h100_sxm", whole_device())
    return made


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_model_has_a_specification_without_mistakes(model):
    for precision in MODELS[model].weights:
        row = replace(ROW, model=model, precision=precision, gpu="b200_sxm", tp=8, expert_tp=1, ep=8)
        experiment, report = load_text(specification(row, 4))

        assert experiment is not None, [d.title for d in report.diagnostics]


def test_the_specification_says_what_the_benchmark_did():
    experiment, _ = load_text(specification(replace(ROW, concurrency=16), 4))

    assert experiment.workload.arrivals == ClosedLoop(16)
    assert experiment.workload.requests == Lengths(UniformLength(819, 1024), UniformLength(819, 1024), 64)
    assert experiment.parallelism.attention.tp == experiment.parallelism.experts.tp == 2
    assert experiment.serving.scheduler.max_sequences == 16
    assert experiment.model.dtype.experts == "mxfp4"


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ({"tp": 1, "expert_tp": 1}, (1, 1, 1, "allreduce")),
        ({"tp": 4, "expert_tp": 1, "ep": 4}, (4, 1, 4, "allreduce")),
        ({"tp": 1, "dp": 4, "expert_tp": 1, "ep": 4}, (1, 4, 4, "allgather_reducescatter")),
    ],
)
def test_plans_become_plans(plan, expected):
    p = load_text(specification(replace(ROW, **plan), 4))[0].parallelism

    assert (p.attention.tp, p.attention.dp, p.experts.ep, p.exchange.method) == expected


def table(first: list[float], each: list[float]) -> RequestTable:
    n = len(first)
    ms = lambda v: np.array(v, dtype=float) * 1e6  # noqa: E731
    zero = np.zeros(n, dtype=np.int64)
    return RequestTable(
        request_id=tuple(map(str, range(n))),
        arrival_ns=zero,
        input_tokens=zero + 10,
        output_tokens=zero + 11,
        instance=zero,
        dp_rank=zero,
        scheduled_ns=zero,
        first_token_ns=ms(first).astype(np.int64),
        finish_ns=ms(np.array(first) + 10 * np.array(each)).astype(np.int64),
        cached_tokens=zero,
        preemptions=zero,
    )


def test_waves_in_between_stand_for_eight():
    ttft, tpot = _means(table([100, 10, 10, 20], [5, 2, 2, 1]), 1)

    assert ttft == pytest.approx((100 + 8 * 10 + 20) / 10)
    assert tpot == pytest.approx((5 + 8 * 2 + 1) / 10)


def test_ten_waves_are_a_plain_mean():
    first = list(range(1, 11))

    assert _means(table(first, [1] * 10), 1)[0] == pytest.approx(np.mean(first))


def test_a_row_that_cannot_be_replayed_says_why():
    assert replay(replace(ROW, pp=2), load_text, 4).why == "plan: pipeline stages"
    assert replay(replace(ROW, source="elsewhere"), load_text, 4).why.startswith("settings")


def test_a_model_that_does_not_fit_says_so(stand):
    found = replay(
        replace(ROW, model="deepseek-ai/DeepSeek-R1", engine="trtllm", version="1.2.0rc6.post2", precision="fp4", tp=2),
        load_text,
        4,
    )

    assert found.why.startswith("memory: ")


def test_a_replayed_row_has_times_and_errors(stand):
    found = replay(ROW, load_text, 3)

    assert not found.why
    assert 0 < found.tpot_ms < found.ttft_ms
    assert found.tpot_error == pytest.approx(found.tpot_ms / 5.0 - 1)


def test_equal_rows_have_equal_times_whoever_replays_them(stand):
    rows = [replace(ROW, id=str(i), concurrency=c, tpot_ms=5.0 + i) for i, c in enumerate((1, 2, 4))]
    alone, together = (
        study(
            rows, load_text, waves=3, limit=None, jobs=jobs, tokens="balanced", anyway=False, progress=lambda *_: None
        )
        for jobs in (1, 2)
    )

    assert alone == together


def test_a_limit_leaves_rows_out_and_says_so(stand):
    rows = [replace(ROW, id=str(i), concurrency=c, tpot_ms=5.0 + i) for i, c in enumerate((1, 2, 4))]
    found = study(rows, load_text, waves=3, limit=1, jobs=1, tokens="balanced", anyway=False, progress=lambda *_: None)

    assert [x.why for x in found] == ["", "limit: not replayed this time", "limit: not replayed this time"]


def replayed(measured: float, simulated: float, **changes) -> Replayed:
    return Replayed(replace(ROW, tpot_ms=measured, **changes), 60.0, simulated)


def test_scores_are_shares_of_what_was_measured():
    group = [replayed(10, 9), replayed(10, 12), replayed(10, 10.5), Replayed(ROW, why="plan: pipeline stages")]
    found = score(("x",), group)

    assert (found.rows, found.compared) == (4, 3)
    assert (found.tpot_median, found.tpot_bias, found.ttft_median) == (pytest.approx(0.1), pytest.approx(0.05), 0.0)
    assert math.isnan(found.rank)


def test_ranks_are_within_workloads():
    up = [replayed(m, s) for m, s in ((1, 2), (2, 3), (3, 5), (4, 9))]
    down = [replayed(m, s, isl=8192) for m, s in ((1, 9), (2, 5), (3, 3), (4, 2))]
    found = score(("x",), [*up, *down])

    assert (found.rank, found.rank_low) == (pytest.approx(0.0), pytest.approx(-1.0))


@pytest.mark.parametrize("values", [[1, 2, 3, 4], [1, 1, 2, 3], [4, 3, 3, 1, 9]])
def test_the_rank_correlation_is_spearmans(values):
    other = np.sqrt(values)[::-1]

    assert spearman(np.array(values), other) == pytest.approx(spearmanr(values, other)[0])


def test_groups_without_anything_compared_have_no_score():
    assert scores([Replayed(ROW, why="plan: pipeline stages")], by_engine) == []


def test_reasons_are_counted_without_their_figures():
    found = [Replayed(ROW, why=w) for w in ("dips: 3 ms after 4 ms", "dips: 5 ms after 9 ms", "plan: pipeline stages")]

    assert reasons(found) == {"dips": 2, "plan: pipeline stages": 1}


def test_the_files_hold_every_row_and_no_figure_that_is_none():
    found = [replayed(10, 9), Replayed(replace(ROW, id="b"), why="plan: pipeline stages")]
    files = study_files(found, summary(found, {"waves": 4}))
    rows = list(csv.DictReader(files["rows.csv"].decode().splitlines()))

    assert [(r["id"], r["tpot_error"], r["why_not"]) for r in rows] == [
        ("a", "-0.1", ""),
        ("b", "", "plan: pipeline stages"),
    ]
    assert json.loads(files["summary.json"])["all"]["rank"] is None
    assert set(json.loads(files["manifest.json"])["files"]) == set(files)


class TestVerb:
    def moec(self, capsys, *arguments):
        code = run(["validate", "silicon", "--jobs", "1", "--waves", "3", *map(str, arguments)])
        return code, *capsys.readouterr()

    @pytest.fixture
    def measured(self, stand):
        stand.measurements([
            measurement(), measurement(id="b", concurrency=8, silicon_tpot_ms=6.5),
            measurement(id="c", model_path="zhipuai/GLM-5"), measurement(id="d", model_path="Qwen/Qwen3-32B"),
        ])  # fmt: skip

    def test_it_prints_scores_beside_the_other_estimators_and_reasons(self, measured, capsys):
        code, out, _ = self.moec(capsys)

        assert code == 0
        assert "2 of 3 rows compared" in out
        assert "gpt-oss-120b h100" in out
        assert "TPOT mean 33.7%, median 20.4%; TTFT mean 58.8%" in out
        assert "sparse attention over an index of its own" in out

    def test_it_writes_what_it_prints(self, measured, capsys, tmp_path):
        code, out, err = self.moec(capsys, "-o", tmp_path / "out", "--json")
        again, _, refused = self.moec(capsys, "-o", tmp_path / "out")

        assert (code, err) == (0, "")
        assert json.loads(out) == json.loads((tmp_path / "out" / "summary.json").read_text())
        assert (again, "M593" in refused) == (2, True)

    def test_a_choice_that_fits_nothing_lists_what_there_is(self, measured, capsys):
        code, _, err = self.moec(capsys, "--gpu", "tpu")

        assert code == 2
        assert "h100_sxm" in err

    def test_without_the_package_it_is_an_outside_tool_that_lacks(self, monkeypatch, capsys):
        monkeypatch.setattr(package, "find_spec", lambda name: None)
        code, _, err = self.moec(capsys)

        assert code == 3
        assert "pip install 'moec[silicon]'" in err

    def test_beside_it_a_file_is_validated_as_ever(self, capsys):
        assert run(["validate", "gold.moe", "--against", "nowhere"]) != 0
        assert "gold.moe" in capsys.readouterr().err

    def test_its_help_is_its_own(self, capsys):
        assert run(["validate", "silicon", "--help"]) == 0
        assert "--gpu" in capsys.readouterr().out
