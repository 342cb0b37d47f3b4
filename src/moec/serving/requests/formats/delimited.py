"""Requests in comma- or tab-separated tables."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from moec.diagnostics import Diagnostic
from moec.serving.requests.formats.known import unknown
from moec.serving.requests.formats.request_trace import (
    MOST_NS,
    MOST_TOKENS,
    BadLine,
    Trace,
    bad_lines,
    out_of_range,
    short,
)

SECOND = 1_000_000_000


def _whole(text: str) -> int:
    if not re.fullmatch("[+-]?[0-9]+", text):
        raise ValueError(text)
    return int(text)


def _seconds(text: str) -> int:
    value = float(text)
    if not np.isfinite(value):
        raise ValueError(text)
    return round(value * SECOND)


def _calendar(text: str) -> int:
    """Nanoseconds from 2000 to an ISO date and time; a fraction may have more than six digits (Azure has seven)."""
    whole, _, fraction = text.strip().partition(".")
    digits = fraction.rstrip("Z").split("+")[0]
    moment = datetime.fromisoformat(whole.rstrip("Z")).replace(tzinfo=UTC)
    passed = moment - datetime(2000, 1, 1, tzinfo=UTC)
    return passed // timedelta(seconds=1) * SECOND + int(digits.ljust(9, "0")[:9] or 0)


@dataclass(frozen=True, slots=True)
class Columns:
    """A known header: which columns hold what, and how times are written."""

    input: str
    output: str
    arrival: str | None
    time: Callable[[str], int]
    request_id: str | None = None


KNOWN = (
    Columns("input_tokens", "output_tokens", "arrival_s", _seconds, "request_id"),
    Columns("input_toks", "output_toks", "arrival_time_ns", _whole),
    # Azure LLM inference traces (Azure/AzurePublicDataset): context and generated tokens with a wall-clock time
    Columns("ContextTokens", "GeneratedTokens", "TIMESTAMP", _calendar),
    # BurstGPT (arXiv 2401.17644): seconds from the start
    Columns("Request tokens", "Response tokens", "Timestamp", _seconds),
)


def read_table(name: str, lines: list[str], count: int | None) -> tuple[Trace | None, list[Diagnostic]]:
    """The requests of a table; its header tells what the columns are."""
    start = next(i for i, line in enumerate(lines) if line.strip())
    separator = "\t" if "\t" in lines[start] else ","
    header = [cell.strip() for cell in next(csv.reader([lines[start]], delimiter=separator))]
    columns = next((k for k in KNOWN if k.input in header and k.output in header), None)
    if columns is None:
        return None, [unknown(name, header)]
    twice = next((cell for cell in header if cell and header.count(cell) > 1), None)
    if twice is not None:
        return None, [Diagnostic("M511", f"`{name}` has the column `{twice}` twice", help="keep one")]
    bad: list[BadLine] = []
    try:
        rows = list(_rows(lines, start + 1, separator, header, columns, count, bad))
    except csv.Error as error:
        return None, [Diagnostic("M512", f"`{name}` is no table: {error}", help="a quote may never be closed")]
    if bad:
        return None, bad_lines(name, bad)
    if not rows:
        return None, [Diagnostic("M517", f"`{name}` has a header and no requests", help="add a line per request")]
    prompt, answer, arrival = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(3))
    if columns.time is _calendar:
        arrival = arrival - arrival.min()  # a date means nothing here: the first request comes at zero
    names = tuple(row[3] for row in rows) if columns.request_id in header else None
    return Trace(prompt, answer, arrival if columns.arrival in header else None, names), []


def _rows(
    lines: list[str], start: int, separator: str, header: list[str], columns: Columns, count: int | None,
    bad: list[BadLine],
) -> Iterator[tuple[int, int, int, str]]:  # fmt: skip
    seen = 0
    reader = csv.reader(lines[start:], delimiter=separator)
    number = start + 1
    for cells in reader:
        if any(cell.strip() for cell in cells):
            row = _row(cells, header, columns)
            if isinstance(row, str):
                bad.append(BadLine(number, row))
            else:
                yield row
            seen += 1
        if seen == count:
            return
        number = start + reader.line_num + 1  # a quoted cell may have gone over several lines


def _row(cells: list[str], header: list[str], columns: Columns) -> tuple[int, int, int, str] | str:
    """Prompt, output, arrival and id of one line, or what is wrong with it."""
    if len(cells) != len(header):
        return f"has {len(cells)} cells, the header has {len(header)}"
    cell = dict(zip(header, (c.strip() for c in cells), strict=True))
    values: list[int] = []
    for column, read, least, most in (
        (columns.input, _whole, 1, MOST_TOKENS),
        (columns.output, _whole, 0, MOST_TOKENS),
        (columns.arrival, columns.time, 0, MOST_NS),
    ):
        if column is None or column not in cell:
            values.append(0)
            continue
        try:
            value = read(cell[column])
        except (ValueError, OverflowError):
            return f"has `{short(cell[column])}` for `{column}`"
        if wrong := out_of_range(value, least, most):
            return f"has {short(cell[column])} for `{column}`, {wrong}"
        values.append(value)
    return values[0], values[1], values[2], cell.get(columns.request_id or "", "")
