"""The lines of a recorded run's `requests.jsonl`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from moec.diagnostics import Diagnostic, Label, Span

QUEUED, SCHEDULED = "queued_ts", "scheduled_ts"
COUNTS = ("input_toks", "output_toks")
STAMPS = ("arrival_time", "first_token_ts", "last_token_ts")
OPTIONAL = (QUEUED, SCHEDULED)
"""Stamps that a file may lack, on every line."""
COLUMNS = ("request_id", *COUNTS, *STAMPS, *OPTIONAL)

ORDER = (QUEUED, SCHEDULED, "first_token_ts", "last_token_ts")
"""Stamps of one clock, in the order in which a request passes them."""

MOST = 2**31 - 1
"""Tokens of a request, at most."""
LATEST_S = 1e12
"""Some thirty thousand years: no clock shows more, and differences stay exact to a millisecond."""
SHOWN = 5

NAMED = re.compile(r"`(\w+_\w+)`")
"""The key that a remark is about, the first one where it names two."""


@dataclass(slots=True)
class Rows:
    """Columns in file order, with the number of each line."""

    request_id: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()
    input_tokens: list[int] = field(default_factory=list)
    output_tokens: list[int] = field(default_factory=list)
    stamps: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """One line, its number and its object."""

    number: int
    text: str
    record: Mapping[str, Any]


def read_lines(name: str, text: str) -> tuple[Rows | None, list[Diagnostic]]:
    """The requests of the file `name`; None with every bad line (the first five one by one)."""
    numbered = [(i, line) for i, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1) if line.strip()]
    if not numbered:
        return None, [Diagnostic("M541", f"`{name}` has no requests", help="a recorded run has a line per request")]
    lines, bad = list[Line](), list[Diagnostic]()
    for number, line in numbered:
        record, why = _record(line)
        if record is None:
            bad.append(_wrong(name, number, line, why))
        else:
            lines.append(Line(number, line, record))
    stamps = (*STAMPS, *(c for c in OPTIONAL if any(c in line.record for line in lines)))
    for at in lines:
        bad += [_wrong(name, at.number, at.text, why) for why in _wrong_with(at.record, stamps)[:1]]
    bad += _twice(name, lines)
    if bad:
        bad.sort(key=lambda d: d.span.line if d.span else 0)
        more = [Diagnostic("M542", f"{len(bad) - SHOWN} more lines of `{name}` are wrong")] if len(bad) > SHOWN else []
        return None, bad[:SHOWN] + more
    return _rows(lines, stamps), []


def _rows(lines: list[Line], stamps: tuple[str, ...]) -> Rows:
    records = [line.record for line in lines]
    return Rows(
        tuple(str(r["request_id"]) for r in records),
        tuple(line.number for line in lines),
        [r["input_toks"] for r in records],
        [r["output_toks"] for r in records],
        {column: [float(r[column]) for r in records] for column in stamps},
    )


def _record(line: str) -> tuple[Mapping[str, Any] | None, str]:
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        return None, f"is not JSON: {error.msg.lower()}" if isinstance(
            error, json.JSONDecodeError
        ) else "nests too deep"
    return (record, "") if isinstance(record, dict) else (None, "is no JSON object")


def _wrong_with(record: Mapping[str, Any], stamps: tuple[str, ...]) -> list[str]:
    """What is wrong with a line, the first thing first."""
    missing = [f"has no `{c}`" for c in ("request_id", *COUNTS, *stamps) if record.get(c) is None]
    if missing:
        return missing
    found = [f"has {_shown(record[c])} for `{c}`" for c in COUNTS if not _count(record[c])]
    found += [f"has {_shown(record[c])} for `{c}`" for c in stamps if not _stamp(record[c])]
    if not isinstance(record["request_id"], str | int) or record["request_id"] == "":
        found.append(f"has {_shown(record['request_id'])} for `request_id`")
    if found:
        return found
    passed = [c for c in ORDER if c in stamps]
    for before, after in pairwise(passed):
        if record[after] < record[before]:
            found.append(f"has `{after}` before `{before}`")
    if record["output_toks"] > 1 and record["last_token_ts"] == record["first_token_ts"]:
        found.append(f"has {record['output_toks']} tokens, all of them out at once")
    return found


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST


def _stamp(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LATEST_S < value < LATEST_S


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return f"`{text if len(text) < 60 else text[:57] + '…'}`"


def _wrong(name: str, number: int, line: str, why: str) -> Diagnostic:
    key = NAMED.search(why)
    start = max(0, line.find(key[1])) if key else 0
    span = Span(name, number, start + 1, number, start + 1 + (len(key[1]) if key and start else 1))
    title, help = f"line {number} of `{name}` {why}", "mend the line, or take the file as it was written"
    return Diagnostic("M542", title, span, help=help)


def _twice(name: str, lines: list[Line]) -> list[Diagnostic]:
    """A request that stands on two lines."""
    first: dict[str, Line] = {}
    found = []
    for line in lines:
        key = str(line.record.get("request_id"))
        if line.record.get("request_id") is not None and key in first:
            before = first[key]
            span, there = (Span(name, x.number, 1, x.number, 2) for x in (line, before))
            title = f"request `{key}` stands twice in `{name}`, on lines {before.number} and {line.number}"
            found.append(Diagnostic("M543", title, span, labels=(Label(there, "the first one"),), help="keep one"))
        first.setdefault(key, line)
    return found
