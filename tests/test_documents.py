"""What README and docs say of the tree and of what commands print is so."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from moec.cli.main import run

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "moec"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*/README.md"))]
TIME = re.compile(r"backend in [0-9.,]+ m?s")
FOLDERS = {path.name for path in SOURCE.iterdir() if path.is_dir()}


def test_the_output_in_the_readme_is_what_the_command_prints(tmp_path, monkeypatch, capsys):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    specification = re.search(r"```moe\n(.*?)```", text, re.DOTALL)[1]
    shown = re.search(r"<!-- begin simulate -->\n```\n(.*?)```", text, re.DOTALL)[1]
    (tmp_path / "serve.moe").write_text(specification, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    assert run(["simulate", "serve.moe"]) == 0

    assert TIME.sub("", capsys.readouterr().out).strip() == TIME.sub("", shown).strip()


def named_paths(text: str) -> set[str]:
    """Paths in code quotes that begin with a package of moec, or with its folder."""
    quoted = re.findall(r"`((?:src/moec/)?[a-z_]+/[a-z_/]*(?:\.[a-z]+)?)`", text)
    paths = {path.removeprefix("src/moec/") for path in quoted}
    return {path for path in paths if path.split("/")[0] in FOLDERS}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_file_that_a_document_names_is_there(document):
    text = document.read_text(encoding="utf-8")

    assert not [path for path in sorted(named_paths(text)) if not (SOURCE / path).exists()]


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def names_in(text: str) -> set[str]:
    names = re.findall(r"\b(moec(?:\.[A-Za-z_]\w*)+)", text)
    return {
        name for name in names if not re.search(r"\.(moe|pth|et|rank|egg)\b", name) and name.split(".")[1] in FOLDERS
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_name_that_a_document_names_can_be_imported(document):
    for name in sorted(names_in(document.read_text(encoding="utf-8"))):
        assert exists(name), name


def docstrings() -> str:
    found = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                found.append(ast.get_docstring(node) or "")
    return "\n".join(found)


def test_every_file_and_name_in_a_docstring_is_there():
    text = docstrings()

    assert not [path for path in sorted(named_paths(text)) if not (SOURCE / path).exists()]
    for name in sorted(names_in(text)):
        assert exists(name), name
