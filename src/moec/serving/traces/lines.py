"""Requests in JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from moec.dsl.diagnostics import Diagnostic
from moec.serving.results import Ints
from moec.serving.traces.known import unknown
from moec.serving.traces.trace import BadLine, Trace, bad_lines

MILLISECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Keys:
    """A known set of keys; `unit_ns` is the unit of its times, `tokens_per_id` how many tokens one id names."""

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
    keys, problem = _keys_of(name, numbered[0][1])
    if keys is None:
        return None, problem
    bad: list[BadLine] = []
    rows = [row for i, line in numbered if (row := _row(i, line, keys, with_ids, bad)) is not None]
    if bad:
        return None, bad_lines(name, bad)
    columns = np.array([row[:3] for row in rows], dtype=np.int64)
    known = with_ids and all(row[3] is not None for row in rows)
    ids = tuple(row[3] for row in rows if row[3] is not None) if known else None
    return Trace(columns[:, 0], columns[:, 1], columns[:, 2], None, ids, keys.tokens_per_id), []


def _keys_of(name: str, line: str) -> tuple[Keys | None, list[Diagnostic]]:
    try:
        first = json.loads(LONG_LIST.sub("[]", line))
    except ValueError as error:
        return None, bad_lines(name, [BadLine(1, f"is not JSON: {_short(str(error))}")])
    keys = next((k for k in KNOWN if k.input in first and k.output in first), None)
    return keys, [] if keys else [unknown(name, sorted(first))]


def _row(
    number: int, line: str, keys: Keys, with_ids: bool, bad: list[BadLine]
) -> tuple[int, int, int, Ints | None] | None:
    lists = LONG_LIST.findall(line)
    try:
        record = json.loads(LONG_LIST.sub("[]", line))
        values = _numbers(record, keys)
        ids = _ids(record, keys, lists, values[0]) if with_ids else None
    except ValueError as error:
        bad.append(BadLine(number, _short(str(error))))
        return None
    return (*values, ids)


def _numbers(record: Any, keys: Keys) -> tuple[int, int, int]:
    if not isinstance(record, Mapping):
        raise ValueError("is not a JSON object")
    found: list[int] = []
    for key, least in ((keys.input, 1), (keys.output, 0), (keys.arrival, 0)):
        value = record.get(key)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or (key != keys.arrival and value != int(value))
        ):
            raise ValueError(f"has {json.dumps(value)} for `{key}`")
        if value < least:
            raise ValueError(f"has {value} for `{key}`, at least {least} is needed")
        found.append(round(value * keys.unit_ns) if key == keys.arrival else int(value))
    return found[0], found[1], found[2]


def _ids(record: Mapping[str, Any], keys: Keys, lists: list[str], tokens: int) -> Ints | None:
    """The id list that stood in the line, read by numpy: its place among the line's lists is that of its key."""
    if keys.ids not in record:
        return None
    place = [k for k, v in record.items() if v == []].index(keys.ids)
    body = lists[place][1:-1]
    ids = np.fromstring(body, dtype=np.int64, sep=",") if body.strip() else np.zeros(0, np.int64)
    needed = -(-tokens // keys.tokens_per_id)
    if len(ids) != needed:
        raise ValueError(f"has {len(ids)} entries in `{keys.ids}`, {needed} are needed for {tokens} tokens")
    return ids


def _short(text: str) -> str:
    return text if len(text) < 120 else text[:117] + "…"
