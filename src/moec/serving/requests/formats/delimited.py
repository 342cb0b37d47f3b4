"""Requests in comma- or tab-separated tables."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from moec.diagnostics import Diagnostic
from moec.dsl.schema import TraceRequests
from moec.serving.requests.formats.calendar import calendar_ns
from moec.serving.requests.formats.cleaned import cleaned
from moec.serving.requests.formats.columns import NANOSECONDS, Columns, Unit, columns_of
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


def _whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+(\.0*)?", text):
        raise ValueError(text)
    return int(text.partition(".")[0])


def _time(unit: Unit, text: str) -> int:
    if unit == "ns":
        return _whole(text)
    value = float(text)
    if not np.isfinite(value):
        raise ValueError(text)
    return round(value * NANOSECONDS[unit])


TIMES: dict[Unit, Callable[[str], int]] = {**{unit: partial(_time, unit) for unit in NANOSECONDS}, "date": calendar_ns}
"""How a time is read, in nanoseconds."""


def read_table(
    name: str, lines: list[str], source: TraceRequests, *, timed: bool
) -> tuple[Trace | None, list[Diagnostic]]:
    """The requests of a table; its header, or what `source` says of it, tells what the columns are."""
    start = next(i for i, line in enumerate(lines) if line.strip())
    separator = next((s for s in "\t;" if s in lines[start]), ",")
    try:
        header = [cell.strip() for cell in next(csv.reader([lines[start]], delimiter=separator))]
    except csv.Error as error:
        return None, [Diagnostic("M512", f"`{name}` is no table: {error}", help="a quote may never be closed")]
    first = next((line for line in lines[start + 1 :] if line.strip()), "")
    sample = dict(zip(header, first.split(separator), strict=False))
    columns = columns_of(header, sample, source, timed=timed)
    if not isinstance(columns, Columns):
        return None, [columns or unknown(name, header, lines[start])]
    twice = next((cell for cell in header if cell and header.count(cell) > 1), None)
    if twice is not None:
        return None, [Diagnostic("M511", f"`{name}` has the column `{twice}` twice", help="keep one")]
    bad: list[BadLine] = []
    try:
        rows = list(_rows(lines, start + 1, separator, header, columns, source.count, bad))
    except csv.Error as error:
        return None, [Diagnostic("M512", f"`{name}` is no table: {error}", help="a quote may never be closed")]
    if bad:
        return None, bad_lines(name, bad)
    if not rows:
        return None, [Diagnostic("M517", f"`{name}` has a header and no requests", help="add a line per request")]
    prompt, answer, arrival = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(3))
    names = tuple(row[3] for row in rows) if columns.request_id else None
    return cleaned(Trace(prompt, answer, arrival if columns.arrival else None, names), columns, name, header)


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
        (columns.arrival, TIMES[columns.unit or "s"], 0, MOST_NS),
    ):
        if not column:
            values.append(0)
            continue
        try:
            value = read(cell[column])
        except (ValueError, OverflowError):
            return f"has `{short(cell[column])}` for `{column}`"
        if wrong := out_of_range(value, least, most):
            return f"has {short(cell[column])} for `{column}`, {wrong}"
        values.append(value)
    return values[0], values[1], values[2], cell.get(columns.request_id, "")
