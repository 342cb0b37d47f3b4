"""How a CSV of recorded numbers is read, with a diagnostic for every line that is not as it should be."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from moec.diagnostics.diagnostic import Diagnostic, Span

SHOWN = 8
"""Mistakes of one kind that are shown one by one; a file with the wrong content has thousands."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file, by the name the user gave it, with the text that named it. `family` begins its codes: `M52`."""

    name: str
    directory: str
    what: str
    span: Span | None
    family: str

    def error(self, digit: int, title: str, *, label: str = "", fix: str = "") -> Diagnostic:
        """A mistake in the file."""
        return Diagnostic(f"{self.family}{digit}", title, self.span, label, help=fix)

    def at(self, digit: int, line: int, what: str, fix: str = "") -> Diagnostic:
        """A mistake on one line of it."""
        return self.error(digit, f"{self.what} `{self.name}`, line {line}: {what}", label=f"line {line}", fix=fix)


@dataclass(frozen=True, slots=True)
class Table:
    """The lines of a CSV: its header, and `(line number, fields)` for each line with as many fields as the header."""

    header: tuple[str, ...]
    lines: tuple[tuple[int, tuple[str, ...]], ...]


def read_table(source: Source, headers: Sequence[tuple[str, ...]]) -> tuple[Table | None, list[Diagnostic]]:
    """Read a CSV whose header is one of `headers`; blank lines are skipped."""
    try:
        text = (Path(source.directory) / source.name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as reason:
        said = reason.strerror if isinstance(reason, OSError) else "it is not UTF-8 text"
        return None, [source.error(0, f"{source.what} `{source.name}` cannot be read: {said or reason}")]
    try:
        rows = [
            (number, tuple(field.strip() for field in row))
            for number, row in enumerate(csv.reader(text.splitlines()), start=1)
            if any(field.strip() for field in row)
        ]
    except csv.Error as reason:
        return None, [source.error(0, f"{source.what} `{source.name}` cannot be read: {reason}")]
    wanted = " or ".join(f"`{','.join(header)}`" for header in headers)
    if not rows or rows[0][1] not in headers:
        number, found = rows[0] if rows else (1, ())
        title = f"the header is `{','.join(found)}`, not {wanted}"
        return None, [source.at(1, number, title, f"the first line must read {wanted}")]
    header = rows[0][1]
    wrong = [
        source.at(2, number, f"{len(row)} fields instead of {len(header)}")
        for number, row in rows[1:]
        if len(row) != len(header)
    ]
    kept = tuple(row for row in rows[1:] if len(row[1]) == len(header))
    return Table(header, kept), limited(wrong)


def whole(text: str) -> int | None:
    """A whole number of at least 0 that fits 64 bits, or None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def limited(found: list[Diagnostic]) -> list[Diagnostic]:
    """The first few of `found`, the last of them saying how many more there are."""
    if len(found) <= SHOWN:
        return found
    last = found[SHOWN - 1]
    more = Diagnostic(last.code, f"{last.title} (and {len(found) - SHOWN} more like it)", last.span, last.label)
    return [*found[: SHOWN - 1], more]
