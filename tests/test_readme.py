"""What the README shows works as it stands."""

import re
import shlex
from pathlib import Path

import pytest

from moec.cli.main import run

pytestmark = pytest.mark.slow  # runs every command

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = "\n".join(blocks("sh")).splitlines()
    return [line for line in lines if line.startswith("moec ")]


@pytest.fixture
def serve(tmp_path, monkeypatch):
    (example,) = blocks("moe")
    monkeypatch.chdir(tmp_path)
    Path("serve.moe").write_text(example)


@pytest.mark.parametrize("command", commands())
def test_the_commands_work(serve, command, capsys):
    assert run(shlex.split(command, comments=True)[1:]) == 0
    assert capsys.readouterr().err in ("", "results in results\n")


def test_the_python_works(serve, capsys):
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {})

    assert float(capsys.readouterr().out) > 0


@pytest.mark.parametrize("target", re.findall(r"\]\(((?!http)[^)#]+)\)", README))
def test_the_links_lead_somewhere(target):
    assert (ROOT / target).exists()


@pytest.mark.parametrize("script", ["scripts/demo", "scripts/test"])
def test_the_two_commands_exist(script):
    assert script in "".join(blocks("sh"))
    assert (ROOT / script).exists()


def test_the_index_of_the_documentation_lists_every_page():
    listed = set(re.findall(r"\]\((\w[\w-]*\.md)\)", (ROOT / "docs" / "README.md").read_text()))

    assert listed == {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
