"""Whatever the text, there is a report, its messages can be printed, and no terminal of the grammar is named."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from moec.diagnostics import Report
from moec.diagnostics.render import render
from moec.dsl.export import to_json
from moec.dsl.load import check_text, load_text
from support.specs import WHOLE

pytestmark = pytest.mark.slow  # random texts

SNIPPETS = st.sampled_from(
    ["{", "}", "(", ")", "[", "]", '"', ",", "\n", "=", ":", ".", "..", "-", "*", "/", "#", "é", "\t", "\0", "\u202e",
     " 1", " 2 us", " 1e400 GB/s", " 0", "use", "sweep", "moe 1", "by", "true", "attention", "experts", "small", "hw",
     "experts { ep = attention.dp }", "zipf(", "model m = m", "trace('nothing')", " = wide", "-" * 200, "+1" * 300]
)  # fmt: skip
TERMINALS = re.compile(r"\b(LBRACE|RBRACE|LPAR|RPAR|LSQB|RSQB|_NEWLINE|EQUAL|QUANTITY|CMP|__ANON\w*|_DAMAGED|\$END)\b")


def _sane(report: Report) -> None:
    render(report)
    written = {terminal for source in report.sources.values() for terminal in TERMINALS.findall(source)}
    for diagnostic in report.diagnostics:
        assert diagnostic.title
        said = f"{diagnostic.title} {diagnostic.label} {diagnostic.help}"
        assert set(TERMINALS.findall(said)) <= written
        if diagnostic.span is not None:
            assert diagnostic.span.file in report.sources
            assert diagnostic.span.line >= 1


@st.composite
def _mutated(draw: st.DrawFn) -> str:
    text = WHOLE
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        match draw(st.sampled_from(["insert", "delete", "replace", "swap", "cut"])):
            case "insert":
                text = text[:at] + draw(SNIPPETS) + text[at:]
            case "delete":
                text = text[:at] + text[at + draw(st.integers(1, 12)) :]
            case "replace":
                text = text[:at] + draw(SNIPPETS) + text[at + draw(st.integers(1, 12)) :]
            case "swap":
                lines = text.split("\n")
                i, j = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
                lines[i], lines[j] = lines[j], lines[i]
                text = "\n".join(lines)
            case _:
                text = text[:at]
    return text


@given(_mutated())
@settings(max_examples=200, deadline=None)
def test_a_mutated_file_is_checked_without_an_exception(text: str) -> None:
    experiments, report = check_text(text)
    _sane(report)
    assert experiments == () or not report.failed or "experiment" in text
    _sane(load_text(text)[1])


@given(st.text(max_size=200))
@example("moe 1\n" + "routing r { seed = " + "-" * 5000 + "1 }\n")
@example("moe 1\n" + "routing r { seed = 1" + " + 1" * 5000 + " }\n")
@example("moe 1\n" + "routing r { seed = a" + ".a" * 2000 + " }\n")
@example("moe 1\n" + "(" * 5000)
@example("moe 1\n" + "routing r { " * 5000)
@example("moe 1\nrouting r { seed = " + "9" * 5000 + " }\n")
@example("moe " + "9" * 5000)
@settings(max_examples=30, deadline=None)
def test_any_text_is_checked_without_an_exception(text: str) -> None:
    _sane(check_text(text)[1])
    _sane(check_text(text, "x.json")[1])
    _sane(load_text(WHOLE, overrides=[text])[1])


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.sampled_from(["2 us", "fp8"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["moe", "use", "experiment", "model", "e", "=", "attention", "cluster", "seed", "routing", "x"]) | st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
))  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_any_json_is_checked_without_an_exception(value: object) -> None:
    _sane(check_text(json.dumps(value), "x.json")[1])
    whole = load_text(WHOLE)[0]
    assert whole is not None
    _sane(check_text(json.dumps({**to_json(whole), "routing": value}), "x.json")[1])
