"""The tree is the architecture: which package may import which, what stands at the root, what is shipped."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

import moec
from moec.version import VERSION

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "moec"
ORDER = [
    "version",
    "compiled",
    "cache",
    "dsl",
    "compiler",
    "backends",
    "serving",
    "session",
    "compilation",
    "report",
    "cli",
]
"""What stands further left knows nothing of what stands further right."""
FILES = sorted(SOURCE.rglob("*.py"))


def layer(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """First names below `moec` that a file imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found |= {name.split(".")[1] for name in names if name.startswith("moec.")}
    return found


@pytest.mark.parametrize("path", [p for p in FILES if layer(p) != "__init__"], ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_one_way(path):
    allowed = ORDER[: ORDER.index(layer(path)) + 1]

    assert imported(path) <= set(allowed)


@pytest.mark.parametrize("path", [p for p in FILES if layer(p) not in ("dsl", "cli", "__init__")], ids=str)
def test_only_the_language_knows_its_parse_trees(path):
    text = path.read_text()
    modules = set(re.findall(r"(?:from|import) moec\.dsl\.(\w+)", text))

    assert modules <= {"schema", "diagnostics"}


@pytest.mark.parametrize("path", [p for p in FILES if p.read_text().strip()], ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_module_opens_with_what_it_knows(path):
    assert ast.get_docstring(ast.parse(path.read_text())), "the module has no docstring"


@pytest.mark.parametrize("name", ["dsl", "compiler", "backends"])
def test_the_root_shows_the_architecture_by_relative_links(name):
    link = ROOT / name

    assert link.is_symlink()
    assert link.readlink() == Path("src/moec") / name


def test_the_package_is_typed_and_its_version_is_told_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert (SOURCE / "py.typed").exists()
    assert project["version"] == VERSION == moec.__version__


def test_every_public_name_exists():
    assert all(getattr(moec, name) is not None for name in moec.__all__)


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        moec.no_such_name  # noqa: B018


@pytest.mark.parametrize("name", ["demo", "test", "check", "setup"])
def test_scripts_can_be_run(name):
    script = ROOT / "scripts" / name

    assert script.stat().st_mode & 0o111
    assert script.read_text().startswith("#!/bin/sh\n")


def test_ci_runs_the_tests_and_nothing_else():
    commands = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith("#")]

    assert commands[-1] == "exec scripts/test"


def test_links_at_the_root_do_not_keep_what_they_point_to_out_of_distributions():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]

    links = {f"/{path.name}" for path in ROOT.iterdir() if path.is_symlink()}

    assert links <= set(build["exclude"])
    assert build["skip-excluded-dirs"]
