"""One file per diagnostic code of the language, with exactly what moec says about it.

`# load` in a file asks for `load` instead of `check_file`, `# experiment: x` for that experiment, `# set: path=value`
for an override.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from moec.diagnostics import Report
from moec.diagnostics.codes import CODES
from moec.diagnostics.render import render
from moec.dsl.load import check_file, load

HERE = Path(__file__).parent
CASES = sorted(file for file in HERE.glob("M*.*") if file.suffix in (".moe", ".json") and file.stem[:4] in CODES)
SOURCES = [HERE.parents[1] / "src" / "moec" / name for name in ("dsl", "diagnostics")]


def _report(file: str) -> Report:
    text = Path(file).read_bytes().decode(errors="replace")
    chosen = re.search(r"^# experiment: (.*)$", text, re.MULTILINE)
    overrides = re.findall(r"^# set: (.*)$", text, re.MULTILINE)
    if chosen or "\n# load\n" in text:
        return load(file, experiment=chosen[1] if chosen else None, overrides=overrides)[1]
    return check_file(file, overrides=overrides)[1]


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


def test_every_code_in_the_source_is_in_the_table() -> None:
    files = [file for source in SOURCES for file in source.rglob("*.py")]
    used = {code for file in files for code in re.findall(r'"(M\d{3})"', file.read_text(encoding="utf-8"))}
    assert used == set(CODES)
