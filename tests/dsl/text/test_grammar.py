"""The grammar has no conflicts, and knows the units that units.py knows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import lark
import pytest

from moec.dsl.text import grammar as grammar_module
from moec.dsl.text.grammar import grammar
from moec.dsl.units import UNITS

GRAMMAR = Path(grammar_module.__file__).with_name("moe.lark")


def test_the_grammar_is_lalr_without_conflicts_or_colliding_terminals() -> None:
    pytest.importorskip("interegular")
    lark.Lark(
        GRAMMAR.read_text(encoding="utf-8"),
        parser="lalr",
        lexer="basic",
        start=["file", "setting", "value"],
        strict=True,
    )


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_is_one_token_with_its_number(unit: str) -> None:
    for written in (f"1.5 {unit}", f"2{unit}", f"1e3 {unit}"):
        assert [token.type for token in grammar().lex(written)] == ["QUANTITY"]


@pytest.mark.parametrize("unit", ["GBps", "sec", "PB", "KiFLOPS", "tok", "Gib"])
def test_what_is_no_unit_is_no_quantity(unit: str) -> None:
    assert [token.type for token in grammar().lex(f"1 {unit}")] == ["NUMBER", "NAME"]


@pytest.mark.parametrize("home", ["missing/under/a/file", "read-only"])
def test_parsing_needs_no_cache(home: str, tmp_path: Path) -> None:
    (tmp_path / "missing").write_text("a file where a folder is needed")
    (tmp_path / "read-only").mkdir(mode=0o500)
    code = "from moec.dsl.text.parser import parse; print(parse('moe 1\\nrouting r { seed = 1 }\\n', 'x.moe')[1])"
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / home)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("()\n", "")


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    code = "from moec.dsl.text.parser import parse; print(parse('moe 1\\n', 'x.moe')[1])"
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == ("()\n", "")
        (table,) = (tmp_path / "moec").iterdir()
        table.write_bytes(b"nothing of use")
