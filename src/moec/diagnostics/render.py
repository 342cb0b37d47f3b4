"""How diagnostics look: code and title, the lines they point at, marks under them, the fix."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING

from moec.diagnostics.diagnostic import Diagnostic, Report, Span

if TYPE_CHECKING:
    from rich.text import Text

Piece = tuple[str, str]
"""A stretch of output and its style: error, warning, cause, gutter, help, bold, or nothing."""

_TAB = 4
_STYLES = {
    "error": "bold red",
    "warning": "bold yellow",
    "cause": "bold blue",
    "gutter": "blue",
    "help": "green",
    "bold": "bold",
}


def render(report: Report) -> str:
    """All diagnostics as plain text, an empty line between them, no trailing newline."""
    return "\n\n".join(_plain(d, report.sources) for d in report.diagnostics)


def render_one(diagnostic: Diagnostic, sources: dict[str, str]) -> str:
    """One diagnostic as plain text; `sources` are the texts that its spans point into."""
    return _plain(diagnostic, sources)


def styled(report: Report) -> Text:
    """The same text for a rich console, in colour."""
    from rich.text import Text

    text = Text()
    for i, diagnostic in enumerate(report.diagnostics):
        text.append("\n\n" if i else "")
        for j, line in enumerate(_lines(diagnostic, report.sources)):
            text.append("\n" if j else "")
            for piece, style in line:
                text.append(piece, _STYLES.get(style, ""))
    return text


def _plain(diagnostic: Diagnostic, sources: dict[str, str]) -> str:
    lines = ("".join(piece for piece, _ in line).rstrip() for line in _lines(diagnostic, sources))
    return "\n".join(lines)


def _lines(diagnostic: Diagnostic, sources: dict[str, str]) -> Iterator[list[Piece]]:
    severity = diagnostic.severity
    yield [(f"{severity}[{diagnostic.code}]", severity), (f": {_safe(diagnostic.title)}", "bold")]
    spans = [s for s in (diagnostic.span, *(label.span for label in diagnostic.labels)) if s is not None]
    width = len(str(max((s.line for s in spans), default=0)))
    margin = " " * width
    if diagnostic.span is not None:
        yield [(f"{margin}--> ", "gutter"), (_place(diagnostic.span), "")]
        yield [(f"{margin} |", "gutter")]
    file = diagnostic.span.file if diagnostic.span is not None else ""
    for line_file, line, marks in _by_line(diagnostic):
        if line_file != file:
            yield [(f"{margin}::: ", "gutter"), (f"{line_file}:{line}", "")]
            yield [(f"{margin} |", "gutter")]
            file = line_file
        text = _source_line(sources, line_file, line)
        yield [(f"{line:>{width}} | ", "gutter"), (_expand(text), "")]
        for span, remark, mark, style in marks:
            before, under = _columns(text, span)
            remark = f" {_safe(remark)}" if remark else ""
            yield [(f"{margin} | ", "gutter"), (" " * before + mark * under + remark, style)]
    if diagnostic.help:
        yield [(f"{margin} = ", "gutter"), (f"help: {_safe(diagnostic.help)}", "help")]
    for line_quoted in diagnostic.quoted:
        yield [(f"{margin} > ", "gutter"), (_expand(line_quoted), "")]


Mark = tuple[Span, str, str, str]


def _by_line(diagnostic: Diagnostic) -> list[tuple[str, int, list[Mark]]]:
    """The marks of each line: the primary's line first, then the causes' in the order of the file."""
    marks: list[Mark] = []
    if diagnostic.span is not None:
        marks.append((diagnostic.span, diagnostic.label, "^", diagnostic.severity))
    causes = sorted(diagnostic.labels, key=lambda c: (c.span.file != marks[0][0].file if marks else False, c.span))
    marks += [(cause.span, cause.text, "-", "cause") for cause in causes]
    lines: dict[tuple[str, int], list[Mark]] = {}
    for mark in marks:
        lines.setdefault((mark[0].file, mark[0].line), []).append(mark)
    return [(file, line, found) for (file, line), found in lines.items()]


def _place(span: Span) -> str:
    return f"{span.file}:{span.line}:{span.column}"


def _source_line(sources: dict[str, str], file: str, line: int) -> str:
    lines = sources.get(file, "").split("\n")
    return lines[line - 1].rstrip("\r") if line <= len(lines) else ""


def _columns(text: str, span: Span) -> tuple[int, int]:
    """How many cells stand before the span on its first line, and how many it takes there."""
    start = span.column - 1
    end = span.end_column - 1 if span.end_line == span.line else len(text.rstrip())
    before = _cells(text[:start])
    return before, max(_cells(text[:end]) - before, 1)


def _expand(text: str) -> str:
    """`text` as printed: tabs as blanks, control characters as a sign that they are there."""
    out = ""
    for char in text:
        out += " " * (_TAB - _cells(out) % _TAB) if char == "\t" else _safe(char)
    return out


def _cells(text: str) -> int:
    """How many cells of a terminal `text` takes."""
    cells = 0
    for char in text:
        cells += _TAB - cells % _TAB if char == "\t" else _cell(char)
    return cells


def _cell(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _safe(text: str) -> str:
    """Without control and format characters, which could make a terminal show something else."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in text)
