"""Requests in JSON lines."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from moec.arrays import Ints
from moec.diagnostics import Diagnostic
from moec.dsl.schema import TraceRequests
from moec.serving.requests.formats.calendar import calendar_ns
from moec.serving.requests.formats.cleaned import cleaned
from moec.serving.requests.formats.columns import NANOSECONDS, Columns, columns_of
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

LONG_LIST = re.compile(r"\[[0-9,\s]*\]")
"""A list of numbers: token ids, the bulk of a line. They are cut out before the JSON is parsed."""


def read_lines(
    name: str, lines: list[str], source: TraceRequests, *, timed: bool, with_ids: bool
) -> tuple[Trace | None, list[Diagnostic]]:
    """The requests of a JSONL file; the keys of its first line, or what `source` says of them, tell what they are."""
    numbered = [(i, line) for i, line in enumerate(lines, 1) if line.strip()][: source.count]
    try:
        first = _record(numbered[0][1])
    except ValueError as error:
        return None, bad_lines(name, [BadLine(numbered[0][0], str(error))])
    keys = sorted(first)
    columns = columns_of(keys, first, source, timed=timed)
    if not isinstance(columns, Columns):
        return None, [columns or unknown(name, keys, numbered[0][1])]
    bad: list[BadLine] = []
    rows = [row for i, line in numbered if (row := _row(i, line, columns, with_ids, bad)) is not None]
    if bad:
        return None, bad_lines(name, bad)
    numbers = np.array([row[:3] for row in rows], dtype=np.int64)
    arrival = numbers[:, 2] if columns.arrival else None
    known = with_ids and all(row[3] is not None for row in rows)
    ids = tuple(row[3] for row in rows if row[3] is not None) if known else None
    names = tuple(row[4] for row in rows) if columns.request_id else None
    return cleaned(Trace(numbers[:, 0], numbers[:, 1], arrival, names, ids, columns.block), columns, name, keys)


def read_array(
    name: str, text: str, source: TraceRequests, *, timed: bool, with_ids: bool
) -> tuple[Trace | None, list[Diagnostic]]:
    """The requests of a JSON array of objects, each as a line of `read_lines`."""
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        return None, [Diagnostic("M512", f"`{name}` is not JSON: {str(error)[:80]}", help="write one object a line")]
    if not entries or not all(isinstance(entry, dict) for entry in entries):
        return None, [unknown(name, [], text)]
    return read_lines(name, [json.dumps(entry) for entry in entries], source, timed=timed, with_ids=with_ids)


def _record(line: str) -> Mapping[str, Any]:
    """The line's object with its lists of numbers cut out."""
    try:
        record = json.loads(LONG_LIST.sub("[]", line))
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg[:1].lower()}{error.msg[1:]}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError("has a number too long or lists too deep to read") from error
    if not isinstance(record, Mapping):
        raise ValueError("is not a JSON object")
    return record


def _row(
    number: int, line: str, columns: Columns, with_ids: bool, bad: list[BadLine]
) -> tuple[int, int, int, Ints | None, str] | None:
    try:
        record = _record(line)
        tokens = _number(record, columns.input, 1, MOST_TOKENS)
        output = _number(record, columns.output, 0, MOST_TOKENS)
        arrival = _arrival(record, columns) if columns.arrival else 0
        ids = _ids(record, columns, line, tokens) if with_ids and columns.ids else None
    except ValueError as error:
        bad.append(BadLine(number, str(error)))
        return None
    return tokens, output, arrival, ids, str(record.get(columns.request_id, ""))


def _arrival(record: Mapping[str, Any], columns: Columns) -> int:
    if columns.unit in (None, "date"):
        value = record.get(columns.arrival)
        try:
            return calendar_ns(value if isinstance(value, str) else "")
        except ValueError as error:
            raise ValueError(f"has {short(json.dumps(value))} for `{columns.arrival}`, not a date") from error
    return _number(record, columns.arrival, 0, MOST_NS, NANOSECONDS[columns.unit])


def _number(record: Mapping[str, Any], key: str, least: int, most: int, unit: int = 0) -> int:
    """A whole number, or with a `unit` any number, in whole units of it."""
    if key not in record:
        raise ValueError(f"has no `{key}`")
    value = record[key]
    shown = short(json.dumps(value, ensure_ascii=False))
    if isinstance(value, bool) or not isinstance(value, int | float) or not -math.inf < value < math.inf:
        raise ValueError(f"has {shown} for `{key}`")
    if wrong := out_of_range(value * (unit or 1), least, most):
        raise ValueError(f"has {shown} for `{key}`, {wrong}")
    if not unit and value != int(value):
        raise ValueError(f"has {shown} for `{key}`, a whole number is needed")
    return round(value * (unit or 1))


def _ids(record: Mapping[str, Any], columns: Columns, line: str, tokens: int) -> Ints | None:
    """The list of ids, read from the line itself: parsing it as JSON takes ten times as long."""
    if columns.ids not in record:
        return None
    found = re.search(rf'"{columns.ids}"\s*:\s*\[([0-9,\s]*)\]', line)
    try:
        ids = np.array([int(i) for i in found[1].split(",")] if found and found[1].strip() else [], dtype=np.int64)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise ValueError(f"has something else than whole numbers in `{columns.ids}`")
    needed = -(-tokens // columns.block)
    if len(ids) != needed:
        blocks = f", in blocks of {columns.block} (`trace(…, block: …)` says another)" if columns.block > 1 else ""
        raise ValueError(f"has {len(ids)} entries in `{columns.ids}`, {needed} are needed for {tokens} tokens{blocks}")
    return ids
