"""Requests in JSON lines."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from moec.arrays import Ints
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

MILLISECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Keys:
    """A known set of keys; `unit_ns` is the unit of its times, `tokens_per_id` how many tokens one id names.

    An empty `arrival`: the file has no times.
    """

    input: str
    output: str
    arrival: str
    ids: str
    unit_ns: int
    tokens_per_id: int


KNOWN = (
    Keys("input_toks", "output_toks", "arrival_time_ns", "input_tok_ids", 1, 1),
    # Mooncake (kvcache-ai/Mooncake, trace format): milliseconds, and a hash per 512-token block
    Keys("input_length", "output_length", "timestamp", "hash_ids", MILLISECOND, 512),
)

LONG_LIST = re.compile(r"\[[0-9,\s]*\]")
"""A list of numbers: token ids, the bulk of a line. They are cut out before the JSON is parsed."""


def read_lines(name: str, lines: list[str], count: int | None, with_ids: bool) -> tuple[Trace | None, list[Diagnostic]]:
    """The requests of a JSONL file; its first line tells which keys it uses."""
    numbered = [(i, line) for i, line in enumerate(lines, 1) if line.strip()][:count]
    keys, problem = _keys_of(name, *numbered[0])
    if keys is None:
        return None, problem
    bad: list[BadLine] = []
    rows = [row for i, line in numbered if (row := _row(i, line, keys, with_ids, bad)) is not None]
    if bad:
        return None, bad_lines(name, bad)
    columns = np.array([row[:3] for row in rows], dtype=np.int64)
    arrival = columns[:, 2] if keys.arrival else None
    known = with_ids and all(row[3] is not None for row in rows)
    ids = tuple(row[3] for row in rows if row[3] is not None) if known else None
    return Trace(columns[:, 0], columns[:, 1], arrival, None, ids, keys.tokens_per_id), []


def _keys_of(name: str, number: int, line: str) -> tuple[Keys | None, list[Diagnostic]]:
    try:
        first = _record(line)
    except ValueError as error:
        return None, bad_lines(name, [BadLine(number, str(error))])
    keys = next((k for k in KNOWN if k.input in first and k.output in first), None)
    if keys is None:
        return None, [unknown(name, sorted(first))]
    return keys if keys.arrival in first else replace(keys, arrival=""), []


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
    number: int, line: str, keys: Keys, with_ids: bool, bad: list[BadLine]
) -> tuple[int, int, int, Ints | None] | None:
    try:
        record = _record(line)
        tokens = _number(record, keys.input, 1, MOST_TOKENS)
        output = _number(record, keys.output, 0, MOST_TOKENS)
        arrival = _number(record, keys.arrival, 0, MOST_NS, keys.unit_ns) if keys.arrival else 0
        ids = _ids(record, keys, line, tokens) if with_ids else None
    except ValueError as error:
        bad.append(BadLine(number, str(error)))
        return None
    return tokens, output, arrival, ids


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


def _ids(record: Mapping[str, Any], keys: Keys, line: str, tokens: int) -> Ints | None:
    """The list of ids, read from the line itself: parsing it as JSON takes ten times as long."""
    if keys.ids not in record:
        return None
    found = re.search(rf'"{keys.ids}"\s*:\s*\[([0-9,\s]*)\]', line)
    try:
        ids = np.array([int(i) for i in found[1].split(",")] if found and found[1].strip() else [], dtype=np.int64)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise ValueError(f"has something else than whole numbers in `{keys.ids}`")
    needed = -(-tokens // keys.tokens_per_id)
    if len(ids) != needed:
        raise ValueError(f"has {len(ids)} entries in `{keys.ids}`, {needed} are needed for {tokens} tokens")
    return ids
