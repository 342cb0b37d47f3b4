"""Where a verb's words go: results to stdout, everything else to stderr; a reader who leaves is no error."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from moec.diagnostics import Diagnostic, Report, Span

FINE, WRONG_SPECIFICATION, WRONG_COMMAND, OUTSIDE_TOOL_FAILED, OUT_OF_BANDS, INTERRUPTED = 0, 1, 2, 3, 4, 130
"""Exit codes."""
OUTSIDE_CODES = ("M6", "M196", "M197")
"""How the codes of errors begin that are an outside tool's or package's, or the lack of one."""
_OVERRIDE = "--set"
"""How the name of the text begins that spans in an override point into."""


class Closed(io.StringIO):
    """Stands for a stream that the caller closed: results cannot be written there, and that is said."""

    def write(self, _text: str) -> int:
        """Raises OSError."""
        raise OSError(errno.EBADF, "it is closed")


def say(text: str) -> None:
    """One result, on stdout."""
    _write(sys.stdout, text if text.endswith("\n") else text + "\n")


def say_json(value: Mapping[str, Any]) -> None:
    """The one JSON object of a `--json` run, on stdout."""
    say(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def note(text: str) -> None:
    """Something that is not a result, on stderr."""
    _write(sys.stderr, text if text.endswith("\n") else text + "\n")


def note_report(report: Report) -> None:
    """Diagnostics as a person reads them, on stderr."""
    if not report.diagnostics:
        return
    if sys.stderr.isatty():
        from rich.console import Console

        from moec.diagnostics.render import styled

        Console(stderr=True, highlight=False).print(styled(report), soft_wrap=True)
    else:
        from moec.diagnostics.render import render

        note(render(report))


def fail(report: Report, *, as_json: bool) -> int:
    """Says why nothing came of it, in JSON or in words; the exit code."""
    if as_json:
        say_json({"ok": False, "diagnostics": diagnostics_json(report.diagnostics)})
    else:
        note_report(report)
    return exit_code(report.diagnostics)


def exit_code(diagnostics: tuple[Diagnostic, ...]) -> int:
    """Fine, or the specification is wrong, or (when no error lies in a file) an outside tool or the command line is."""
    errors = [d for d in diagnostics if d.severity == "error"]
    if not errors:
        return FINE
    if all(d.code.startswith(OUTSIDE_CODES) for d in errors):
        return OUTSIDE_TOOL_FAILED
    in_files = [d for d in errors if d.span is not None and not d.span.file.startswith(_OVERRIDE)]
    return WRONG_SPECIFICATION if in_files else WRONG_COMMAND


def diagnostics_json(diagnostics: tuple[Diagnostic, ...]) -> list[dict[str, Any]]:
    """Diagnostics for scripts."""
    return [
        {
            "code": d.code,
            "severity": d.severity,
            "title": d.title,
            "span": _span_json(d.span),
            "label": d.label,
            "labels": [{"span": _span_json(other.span), "text": other.text} for other in d.labels],
            "help": d.help,
            **({"quoted": list(d.quoted)} if d.quoted else {}),
        }
        for d in diagnostics
    ]


def _span_json(span: Span | None) -> dict[str, Any] | None:
    if span is None:
        return None
    return {
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


_PLAIN = str.maketrans(
    {
        **dict.fromkeys("█▉▊▋▌▍▎▏", "#"), "░": ".", "─": "-", "·": "-", "×": "x", "÷": "/", "–": "-", "−": "-",
        "…": "...", "µ": "u", "→": "->", "≤": "<=", "≥": ">=", "²": "2", "β": "b", "α": "a",
    }
)  # fmt: skip
"""What stands for moec's signs where a stream cannot take them."""


def _write(stream: TextIO, text: str) -> None:
    """Writes now, in signs that the stream can take. When the reader has gone (`| head`), the rest goes nowhere and the exit code stays what it is."""
    if not (stream.encoding or "utf").lower().startswith("utf"):
        text = text.translate(_PLAIN)
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        if not isinstance(stream, Closed):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # so that nothing fails again when Python leaves
        if isinstance(error, BrokenPipeError):
            return
        if stream is sys.stdout:
            note(f"error: cannot write the results: {(error.strerror or str(error)).lower()}")
        sys.exit(OUTSIDE_TOOL_FAILED)
