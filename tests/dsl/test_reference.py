"""The language reference says what the schema says, and its examples are the language."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from moec.diagnostics.render import render
from moec.dsl.load import check_text

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")


def _script() -> ModuleType:
    found = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("document", ["language.md", "architecture.md"])
def test_the_tables_are_those_of_the_source(document: str) -> None:
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")

    assert _script().renewed(text) == text, "run scripts/reference.py"


@pytest.mark.parametrize(("fence", "file"), [("moe", "reference.moe"), ("json", "reference.json")])
def test_the_examples_are_without_mistakes(fence: str, file: str) -> None:
    blocks = re.findall(rf"```{fence}\n(.*?)```", TEXT, re.DOTALL)
    assert blocks
    for block in blocks:
        experiments, report = check_text(block, file)
        assert render(report) == ""
        assert len(experiments) == 1


def test_the_message_shown_is_the_message_given() -> None:
    shown = re.search(r"```text\n(.*?)```", TEXT, re.DOTALL)
    assert shown is not None
    text = "moe 1\n\nlink slow {\n  bandwidth = 50 GB/s\n  latency = 2\n}\n"
    assert render(check_text(text, "pod.moe")[1]) + "\n" == shown[1]
