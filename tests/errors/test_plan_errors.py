"""One file per diagnostic code of the plan and its memory, with exactly what moec says about it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from moec.compiler.check.memory import check_memory
from moec.compiler.check.plan import check_plan
from moec.diagnostics import Report, has_errors
from moec.diagnostics.render import render
from moec.dsl.load import load

HERE = Path(__file__).parent
SOURCES = sorted((HERE.parents[1] / "src" / "moec" / "compiler" / "check").glob("*.py"))
CODES = sorted({code for file in SOURCES for code in re.findall(r'"(M\d{3})"', file.read_text(encoding="utf-8"))})
CASES = sorted(file for file in HERE.glob("M*.moe") if file.stem[:4] in CODES)


def _report(file: str) -> Report:
    experiment, report = load(file)
    assert experiment is not None, render(report)
    found = check_plan(experiment)
    if not has_errors(found):
        found += check_memory(experiment)
    return Report(tuple(found), report.sources)


@pytest.mark.parametrize("case", CASES, ids=lambda file: file.stem)
def test_the_message_is_the_golden_one(case: Path, update_golden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    report = _report(case.name)
    golden = case.with_suffix(".txt")
    if update_golden:
        golden.write_text(render(report) + "\n", encoding="utf-8")
    assert render(report) + "\n" == golden.read_text(encoding="utf-8")
    assert {d.code for d in report.diagnostics} == {case.stem[:4]}


def test_every_code_has_a_golden() -> None:
    assert {case.stem[:4] for case in CASES} == set(CODES)
