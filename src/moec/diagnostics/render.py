"""How diagnostics look: code and title, the lines they point at, marks under them, the fix.

However much is wrong and however long the lines are, what is printed stays short: `SHOWN_ERRORS` errors and a count, of
each line what stands around its marks, of each text its beginning.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moec.diagnostics.diagnostic import Diagnostic, Report, Span

if TYPE_CHECKING:
    from rich.text import Text

Piece = tuple[str, str]
"""A stretch of output and its style: error, warning, cause, gutter, help, bold, or nothing."""

SHOWN_ERRORS = 20
"""Errors, and as many warnings, that are printed; the rest are counted."""
_TAB = 4
_WHOLE = 160
"""Characters of a line that is shown whole."""
_CONTEXT = 40
"""Characters shown on either side of the marks of a longer line."""
_MARKED = 80
"""Characters of a longer line within which marks share a window."""
_TEXT = 1000
"""Characters of a title, a remark or a help: they quote names, which may be as long as their writer likes."""
_CUT = "…"
_STYLES = {
    "error": "bold red",
    "warning": "bold yellow",
    "cause": "bold blue",
    "gutter": "blue",
    "help": "green",
    "bold": "bold",
}


def render(report: Report) -> str:
    """The first `SHOWN_ERRORS` errors and warnings as plain text and how many more there are; no trailing newline."""
    lines = _Lines(report.sources)
    shown, rest = _shown(report.diagnostics)
    return "\n\n".join([*(_plain(d, lines) for d in shown), *rest])


def styled(report: Report) -> Text:
    """The same text for a rich console, in colour."""
    from rich.text import Text

    text, lines = Text(), _Lines(report.sources)
    shown, rest = _shown(report.diagnostics)
    for i, diagnostic in enumerate(shown):
        text.append("\n\n" if i else "")
        for j, line in enumerate(_lines(diagnostic, lines)):
            text.append("\n" if j else "")
            for piece, style in line:
                text.append(piece, _STYLES.get(style, ""))
    for sentence in rest:
        text.append(f"\n\n{sentence}")
    return text


def _shown(diagnostics: Sequence[Diagnostic]) -> tuple[list[Diagnostic], list[str]]:
    """What is printed, and a sentence about what is not."""
    kept, left = [], {"error": 0, "warning": 0}
    seen = dict(left)
    for diagnostic in diagnostics:
        seen[diagnostic.severity] += 1
        if seen[diagnostic.severity] <= SHOWN_ERRORS:
            kept.append(diagnostic)
        else:
            left[diagnostic.severity] += 1
    words = [f"{count:,} more {name}{'s' if count > 1 else ''}" for name, count in left.items() if count]
    return kept, [f"and {' and '.join(words)}"] if words else []


class _Lines:
    """The lines of the sources, each file split once."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self._split: dict[str, list[str]] = {}

    def hidden(self, file: str) -> bool:
        """Whether nothing of the file is to be shown: it is empty, or was not kept."""
        return not self._sources.get(file)

    def at(self, file: str, line: int) -> str:
        """Line number `line` of `file`, empty where there is none."""
        if file not in self._split:
            self._split[file] = self._sources.get(file, "").split("\n")
        lines = self._split[file]
        return lines[line - 1].rstrip("\r") if line <= len(lines) else ""


def _plain(diagnostic: Diagnostic, sources: _Lines) -> str:
    lines = ("".join(piece for piece, _ in line).rstrip() for line in _lines(diagnostic, sources))
    return "\n".join(lines)


def _lines(diagnostic: Diagnostic, sources: _Lines) -> Iterator[list[Piece]]:
    severity = diagnostic.severity
    yield [(f"{severity}[{diagnostic.code}]", severity), (f": {_short(diagnostic.title)}", "bold")]
    spans = [s for s in (diagnostic.span, *(label.span for label in diagnostic.labels)) if s is not None]
    width = len(str(max((s.line for s in spans), default=0)))
    margin = " " * width
    if diagnostic.span is not None:
        yield [(f"{margin}--> ", "gutter"), (_place(diagnostic.span), "")]
        if sources.hidden(diagnostic.span.file) and not diagnostic.label:
            return (yield from _fix(diagnostic, margin))
        yield [(f"{margin} |", "gutter")]
    file = diagnostic.span.file if diagnostic.span is not None else ""
    for line_file, line, marks in _by_line(diagnostic):
        if line_file != file:
            yield [(f"{margin}::: ", "gutter"), (f"{line_file}:{line}", "")]
            yield [(f"{margin} |", "gutter")]
            file = line_file
        for window in _windows(sources.at(line_file, line), marks):
            yield [(f"{line:>{width}} | ", "gutter"), (window.shown, "")]
            for mark in window.marks:
                before, under = window.cells(mark.span)
                remark = f" {_short(mark.remark)}" if mark.remark else ""
                yield [(f"{margin} | ", "gutter"), (" " * before + mark.sign * under + remark, mark.style)]
    yield from _fix(diagnostic, margin)


def _fix(diagnostic: Diagnostic, margin: str) -> Iterator[list[Piece]]:
    if diagnostic.help:
        yield [(f"{margin} = ", "gutter"), (f"help: {_short(diagnostic.help)}", "help")]
    for line_quoted in diagnostic.quoted:
        yield [(f"{margin} > ", "gutter"), (_expand(line_quoted[:_TEXT]), "")]


@dataclass(frozen=True, slots=True)
class Mark:
    """A sign under a span, with what it says there."""

    span: Span
    remark: str
    sign: str
    style: str


def _by_line(diagnostic: Diagnostic) -> list[tuple[str, int, list[Mark]]]:
    """The marks of each line: the primary's line first, then the causes' in the order of the file."""
    marks: list[Mark] = []
    if diagnostic.span is not None:
        marks.append(Mark(diagnostic.span, diagnostic.label, "^", diagnostic.severity))
    causes = sorted(diagnostic.labels, key=lambda c: (c.span.file != marks[0].span.file if marks else False, c.span))
    marks += [Mark(cause.span, cause.text, "-", "cause") for cause in causes]
    lines: dict[tuple[str, int], list[Mark]] = {}
    for mark in marks:
        lines.setdefault((mark.span.file, mark.span.line), []).append(mark)
    return [(file, line, found) for (file, line), found in lines.items()]


@dataclass(frozen=True, slots=True)
class _Window:
    """The part of `text` from `start` to `stop` that is shown, with the marks that begin in it."""

    text: str
    start: int
    stop: int
    marks: list[Mark]

    @property
    def shown(self) -> str:
        """As printed, with a sign where something was left out."""
        return self._before + _expand(self.text[self.start : self.stop]) + (_CUT if self.stop < len(self.text) else "")

    @property
    def _before(self) -> str:
        return _CUT if self.start else ""

    def cells(self, span: Span) -> tuple[int, int]:
        """How many cells stand before the span in the window, and how many it takes there."""
        first = span.column - 1
        last = span.end_column - 1 if span.end_line == span.line else len(self.text.rstrip())
        before = _cells(self.text[self.start : first])
        under = _cells(self.text[self.start : min(last, self.stop)]) - before
        return len(self._before) + before, max(under, 1)


def _windows(text: str, marks: list[Mark]) -> Iterator[_Window]:
    """The whole line, or of a very long one what stands around its marks."""
    if len(text) <= _WHOLE:
        yield _Window(text, 0, len(text), marks)
        return
    left = marks
    while left:
        first = left[0].span.column - 1
        near = [mark for mark in left if abs(mark.span.column - 1 - first) <= _MARKED]
        left = [mark for mark in left if mark not in near]
        start = max(min(mark.span.column - 1 for mark in near) - _CONTEXT, 0)
        ends = [mark.span.end_column - 1 if mark.span.end_line == mark.span.line else len(text) for mark in near]
        stop = min(max(ends) + _CONTEXT, max(mark.span.column - 1 for mark in near) + _MARKED + _CONTEXT, len(text))
        yield _Window(text, start, max(stop, start), near)


def _place(span: Span) -> str:
    return f"{span.file}:{span.line}:{span.column}"


def _short(text: str) -> str:
    """`text` without control characters, its middle left out where it has no end."""
    return _safe(text if len(text) <= _TEXT else f"{text[: _TEXT // 2]}{_CUT}{text[-_TEXT // 2 :]}")


def _expand(text: str) -> str:
    """`text` as printed: tabs as blanks, control characters as a sign that they are there."""
    out, cells = [], 0
    for char in text:
        piece = " " * (_TAB - cells % _TAB) if char == "\t" else _safe(char)
        out.append(piece)
        cells += _cells(piece)
    return "".join(out)


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
