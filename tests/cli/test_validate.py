"""`moec validate`: a run beside its record, the verdict, and records that cannot be compared with."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from moec.study.validation.match import SETTINGS
from moec.study.validation.meta import KINDS
from support.recorded import record, write

AT_ONCE = ("serving.overhead.admission=0 s",)
"""Whoever arrives at an idle engine is queued at once, as the alignment of the clocks takes it."""


@pytest.fixture
def run(tiny: Path) -> Path:
    """The record of `tiny.moe` in the folder `run`."""
    record(tiny, Path("run"), overrides=AT_ONCE)
    return Path("run")


def table(path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(path).read_text().splitlines()))


def test_a_run_agrees_with_its_own_record(moec, tiny, run):
    ran = moec("validate", tiny, "--against", run, "--set", *AT_ONCE, "--json")

    assert ran.code == 0, ran.err
    assert ran.json["met"]
    assert ran.json["clock_shift_s"] == pytest.approx(4321.5 - 1.7e9)
    errors = [figure["error"] for figure in ran.json["figures"].values()] + list(ran.json["mape"].values())
    assert errors == pytest.approx([0] * len(errors), abs=1e-4)  # wall-clock seconds have 0.2 µs


def test_a_slower_engine_is_reported_and_misses_the_bands(moec, tiny):
    """Everything 1.25 times as late: the simulation is 0.8 of it, so 20 % short where no arrival comes in between."""
    record(tiny, Path("run"), overrides=AT_ONCE, slower=1.25)
    ran = moec("validate", tiny, "--against", "run", "--set", *AT_ONCE, "--json")

    assert ran.code == 4
    assert not ran.json["met"]
    assert ran.json["figures"]["mean_tpot_ms"]["error"] == pytest.approx(-0.2, abs=1e-4)
    assert ran.json["mape"]["tpot"] == pytest.approx(0.2, abs=1e-4)
    assert ran.json["verdict"]["tpot"] == {"error": pytest.approx(-0.2, abs=1e-4), "band": 0.02, "met": False}


def test_bands_may_be_others(moec, tiny):
    record(tiny, Path("run"), overrides=AT_ONCE, slower=1.25)
    wide = [x for name in ("tpot", "ttft", "makespan", "ttft_mape") for x in ("--band", f"{name}=900")]
    ran = moec("validate", tiny, "--against", "run", "--set", *AT_ONCE, *wide)

    assert ran.code == 0
    assert "missed" not in ran.out
    assert moec("validate", tiny, "--against", "run", "--band", "speed=3").code == 2
    assert moec("validate", tiny, "--against", "run", "--band", "tpot=-3").code == 2


def test_what_is_written_is_what_is_printed(moec, tiny, run):
    ran = moec("validate", tiny, "--against", run, "--set", *AT_ONCE, "--json", "-o", "out")
    written = json.loads(Path("out/validation.json").read_text())
    rows = table("out/requests.csv")
    curves = table("out/curves.csv")
    manifest = json.loads(Path("out/manifest.json").read_text())

    assert written == {k: v for k, v in ran.json.items() if k != "diagnostics"}
    assert len(rows) == 12
    assert float(rows[0]["ttft_simulated_s"]) == pytest.approx(float(rows[0]["ttft_recorded_s"]), abs=1e-5)
    assert [float(row["running_simulated"]) for row in curves] == [float(row["running_recorded"]) for row in curves]
    assert set(manifest["recorded"]) == {"run/requests.jsonl"}
    assert moec("validate", tiny, "--against", run, "-o", "out").code == 2  # never over results without --force


def test_requests_of_one_token_have_no_time_per_output_token(moec, tiny):
    tiny.write_text(tiny.read_text().replace("output: 8 tokens", "output: 1 tokens"))
    record(tiny, Path("run"), overrides=AT_ONCE)
    ran = moec("validate", tiny, "--against", "run", "--set", *AT_ONCE, "--json")

    assert ran.code == 0, ran.out
    assert ran.json["mape"]["tpot"] == 0
    assert ran.json["figures"]["mean_tpot_ms"] == {"recorded": 0, "simulated": 0, "error": 0}


def test_a_log_of_the_engine_joins_the_curves(moec, tiny, run):
    (run / "timeseries.csv").write_text("t,running,waiting\n0,3,1\n1,0,0\n")
    moec("validate", tiny, "--against", run, "-o", "out")
    rows = table("out/curves.csv")

    assert [row["running_logged"] for row in rows][:2] == ["3", "0"]


def test_ids_are_the_workloads_or_end_in_their_line(moec, tiny, run):
    lines = [json.loads(line) for line in (run / "requests.jsonl").read_text().splitlines()]
    write(run, [{**line, "request_id": line["request_id"].removeprefix("bench-")} for line in reversed(lines)])

    assert moec("validate", tiny, "--against", run, "--set", *AT_ONCE).code == 0


def test_stamps_of_one_clock_are_not_shifted(moec, tiny, run):
    lines = [json.loads(line) for line in (run / "requests.jsonl").read_text().splitlines()]
    write(run, [{**line, "arrival_time": line["arrival_time"] - 1.7e9 + 4321.0} for line in lines])
    ran = moec("validate", tiny, "--against", run, "--set", *AT_ONCE, "--json")

    assert ran.json["clock_shift_s"] == 0
    figure = ran.json["figures"]["mean_ttft_ms"]
    assert figure["recorded"] - figure["simulated"] == pytest.approx(500, abs=1e-2)


def test_settings_of_the_run_are_compared(moec, tiny, run):
    (run / "meta.json").write_text(json.dumps({"engine_kwargs": {"max_num_seqs": 32, "max_num_batched_tokens": 2048}}))
    ran = moec("validate", tiny, "--against", run, "--set", *AT_ONCE, "--json")

    (warning,) = ran.json["diagnostics"]
    assert (warning["code"], warning["severity"]) == ("M546", "warning")
    assert "`max_num_seqs` 32" in warning["title"]
    assert "--set serving.scheduler.max_sequences=32" in warning["help"]


def edited(number: int, **changes: object):
    """A record with other values on one line; None takes a key away."""

    def edit(folder: Path, lines: list[dict]) -> None:
        lines[number] = {k: v for k, v in {**lines[number], **changes}.items() if v is not None}
        write(folder, lines)

    return edit


def late(folder: Path, lines: list[dict]) -> None:
    lines[4]["first_token_ts"], lines[4]["last_token_ts"] = lines[4]["last_token_ts"], lines[4]["first_token_ts"]
    write(folder, lines)


def torn(folder: Path, lines: list[dict]) -> None:
    write(folder, lines)
    path = folder / "requests.jsonl"
    path.write_text(path.read_text()[:-40])


WRONG = {
    "nothing there": (lambda folder, lines: (folder / "requests.jsonl").unlink(), "M540", "no such file"),
    "not UTF-8": (
        lambda folder, lines: (folder / "requests.jsonl").write_bytes(b'{"request_id": "\xff"}\n'), "M540", "byte 16",
    ),
    "empty": (lambda folder, lines: (folder / "requests.jsonl").write_text("\n\n"), "M541", "has no requests"),
    "torn": (torn, "M542", "run/requests.jsonl:12:"),
    "no first token": (edited(2, first_token_ts=None), "M542", "line 3 of `run/requests.jsonl` has no `first_token_ts`"),
    "not a number": (edited(2, output_toks="8"), "M542", 'line 3 of `run/requests.jsonl` has `"8"` for `output_toks`'),
    "a whole number that is none": (edited(2, input_toks=True), "M542", "has `true` for `input_toks`"),
    "beyond all clocks": (edited(2, last_token_ts=10**400), "M542", "for `last_token_ts`"),
    "no number at all": (edited(2, last_token_ts=float("nan")), "M542", "has `NaN` for `last_token_ts`"),
    "out of order": (late, "M542", "line 5 of `run/requests.jsonl` has `last_token_ts` before `first_token_ts`"),
    "meta": (
        lambda folder, lines: (folder / "meta.json").write_text('{"num_requests": 12,\n "seed": }\n'), "M542",
        "run/meta.json:2:10",
    ),
    "twice": (edited(7, request_id="bench-3"), "M543", "on lines 4 and 8"),
    "other length": (edited(5, output_toks=9), "M544", "line 6 of `run/requests.jsonl` has 64 prompt and 9 generated"),
    "partial": (lambda folder, lines: write(folder, lines[:-3]), "M545", "has 9 requests, the workload 12"),
    "engine settings that are none": (
        lambda folder, lines: (folder / "meta.json").write_text('{"engine_kwargs": 3}'), "M542", "`engine_kwargs` in",
    ),
    "a count that is none": (
        lambda folder, lines: (folder / "meta.json").write_text('{"num_requests": true}'), "M542", "is true, not a whole number",
    ),
    "partial by its meta": (
        lambda folder, lines: (folder / "meta.json").write_text('{"num_requests": 300}'), "M545", "there were 300",
    ),
    "other requests": (edited(5, request_id="bench-99"), "M545", "the workload has no request `bench-99`"),
    "no column": (
        lambda folder, lines: (folder / "timeseries.csv").write_text("t,running\n0,1\n"), "M547", "no column `waiting`",
    ),
    "a log with words": (
        lambda folder, lines: (folder / "timeseries.csv").write_text("t,running,waiting\n0,1,few\n"), "M547",
        "line 2 of `run/timeseries.csv` has `few` for `waiting`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_record_that_cannot_be_compared_with_says_why_and_where(moec, tiny, run, name):
    lines = [json.loads(line) for line in (run / "requests.jsonl").read_text().splitlines()]
    edit, code, said = WRONG[name]
    edit(run, lines)
    ran = moec("validate", tiny, "--against", run)

    assert ran.code in (1, 2)
    assert not ran.out
    assert f"[{code}]" in ran.err
    assert said in ran.err


def test_a_folder_that_is_not_there(moec, tiny):
    ran = moec("validate", tiny, "--against", "nowhere", "--json")

    assert ran.code == 2
    assert [d["code"] for d in ran.json["diagnostics"]] == ["M540"]


def test_an_experiment_without_a_workload_has_nothing_to_compare(moec, run):
    Path("bare.moe").write_text(Path("tiny.moe").read_text().replace(", workload = few }", " }"))

    assert moec("validate", "bare.moe", "--against", run).code == 1


def test_every_setting_that_is_compared_has_a_kind():
    assert set(SETTINGS) == set(KINDS)
