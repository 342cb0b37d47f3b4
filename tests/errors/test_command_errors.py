"""One file per diagnostic code of the commands and of what they run, with exactly what a user sees.

`# run: …` lines of a file are command lines, run one after the other in an empty folder that holds the file and those of
`support/`; the last one's stderr is the golden text, with its exit code. `# simulator: …` lines are the body of a script
that stands for ASTRA-sim (without any there is none), `# unaware` makes it the congestion-unaware one. `# plugin: …` lines are the source of a package that adds the cost model `mine`. `# full disk` ends the writing of results so,
`# open files: N` is a limit that cannot be raised.
"""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
from pathlib import Path

import pytest

from moec.cli.main import run
from moec.report import output_folder as output
from support.plugins import HEAD, forgotten, unpacked
from support.silicon_tables import Stand, products
from support.simulators import AWARE, UNAWARE, fake

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src" / "moec"
ELSEWHERE = ("dsl", "diagnostics", "lint", "check")
"""Where codes are raised that other tests of this folder have goldens for, or that are no diagnostics."""
FILES = [file for file in SOURCE.rglob("*.py") if not set(file.relative_to(SOURCE).parts) & set(ELSEWHERE)]
CODES = sorted({code for file in FILES for code in re.findall(r'"(M\d{3})"', file.read_text(encoding="utf-8"))})
CODES = [code for code in CODES if code not in ("M501", "M503")]  # the language's own
CASES = sorted(file for file in HERE.glob("M*.moe") if file.stem[:4] in CODES)


def _directives(text: str, name: str) -> list[str]:
    return re.findall(rf"^# {name}: ?(.*)$", text, re.MULTILINE)


def _seen(case: Path, capsys: pytest.CaptureFixture[str]) -> str:
    code = 0
    for command in _directives(case.read_text(encoding="utf-8"), "run"):
        capsys.readouterr()
        code = run(command.split())
    return f"{capsys.readouterr().err}exit code {code}\n"


@pytest.mark.parametrize("case", CASES, ids=lambda file: file.stem)
def test_the_message_is_the_golden_one(
    case: Path,
    update_golden: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = case.read_text(encoding="utf-8")
    work = shutil.copytree(HERE / "support", tmp_path / "work")
    shutil.copy(case, work)
    monkeypatch.chdir(work)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("MOEC_ASTRA_SIM", raising=False)
    if body := _directives(text, "simulator"):
        fake(Path("bin"), "\n".join(body), UNAWARE if "\n# unaware\n" in text else AWARE)
        monkeypatch.setenv("MOEC_ASTRA_SIM", "bin")
    if most := [int(number) for number in _directives(text, "open files")]:
        monkeypatch.setattr(resource, "getrlimit", lambda which: (most[0], most[0]))
        monkeypatch.setattr(resource, "setrlimit", _refuse)

    if "\n# full disk\n" in text:
        monkeypatch.setattr(output, "_open_up", _full)

    if package := _directives(text, "package"):
        _install(package[0], tmp_path, monkeypatch)

    if source := _directives(text, "plugin"):
        unpacked(tmp_path, "mine-costs", "moec.cost_models", "mine", HEAD + "\n".join(source))
        forgotten(monkeypatch)
        monkeypatch.syspath_prepend(str(tmp_path / "site"))

    seen = _seen(case, capsys)

    golden = case.with_suffix(".txt")
    if update_golden:
        golden.write_text(seen, encoding="utf-8")
    assert seen == golden.read_text(encoding="utf-8")
    assert case.stem[:4] in set(re.findall(r"\[(M\d{3})\]", seen))


def _full(folder: Path) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _install(version: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    if version == "absent":
        monkeypatch.setattr("moec.compiler.costs.silicon.package.find_spec", lambda name: None)
        return
    (folder / "site").mkdir()
    monkeypatch.syspath_prepend(str(folder / "site"))
    Stand(folder / "site").write("h100_sxm", {("gemm", "vllm", "gemm"): products()})
    monkeypatch.setattr("moec.compiler.costs.silicon.silicon_costs.installed", lambda: version)


def _refuse(which: int, limits: tuple[int, int]) -> None:
    raise ValueError("not allowed to raise maximum limit")


def test_every_code_has_a_golden() -> None:
    assert {case.stem[:4] for case in CASES} == set(CODES)
