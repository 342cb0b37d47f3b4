"""Every example is sound, answers its question in a few seconds, and says in its comment what its commands print."""

import re
import shlex
from pathlib import Path

import pytest

from moec.cli.main import run

pytestmark = pytest.mark.slow  # runs every example

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.moe"))
FIGURES = re.compile(r"[\d.,]+")
COMMAND, QUOTE = re.compile(r"^#   moec (.+)$"), re.compile(r"^#     > (.+)$")


def commands(path: Path) -> list[tuple[str, tuple[str, ...]]]:
    """Each command of the comment with the lines that the comment quotes of its output."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for line in path.read_text().splitlines():
        if command := COMMAND.match(line):
            found.append((command[1], ()))
        elif quote := QUOTE.match(line):
            found[-1] = (found[-1][0], (*found[-1][1], quote[1]))
    return found


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_opens_with_its_question_and_commands_to_try(path):
    text = path.read_text()
    comment = text.split("\nuse ")[0]

    assert text.startswith("moe 1\n#")
    assert "?" in comment
    assert commands(path)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_has_no_mistakes_and_fits(path, capsys):
    assert run(["check", str(path.relative_to(ROOT))]) == 0
    assert "fits" in capsys.readouterr().out


@pytest.mark.parametrize(("path", "command", "quotes"), [(p, *c) for p in EXAMPLES for c in commands(p)], ids=str)
def test_a_command_prints_what_the_comment_quotes(path, command, quotes, capsys, update_golden):
    assert run(shlex.split(command)) == 0
    printed = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    if update_golden:
        requote(path, command, printed)
    else:
        assert set(quotes) <= set(printed)


def requote(path: Path, command: str, printed: list[str]) -> None:
    """Replaces the quotes below `command` by the lines that read the same but for their figures."""
    by_words = {FIGURES.sub("#", line): line for line in printed}
    lines, current = [], ""
    for line in path.read_text().splitlines(keepends=True):
        if found := COMMAND.match(line):
            current = found[1]
        if current == command and (found := QUOTE.match(line)):
            line = f"#     > {by_words[FIGURES.sub('#', found[1])]}\n"
        lines.append(line)
    path.write_text("".join(lines))
