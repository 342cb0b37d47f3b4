"""The engine's own log of how many requests run and wait: `timeseries.csv`."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moec.diagnostics import Diagnostic, Span

NEEDED = ("t", "running", "waiting")
SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Seconds since the log began, requests running and waiting, `[ticks]`."""

    t: NDArray[np.float64]
    running: NDArray[np.float64]
    waiting: NDArray[np.float64]


def read_series(name: str, text: str) -> tuple[Series | None, list[Diagnostic]]:
    """The columns `t`, `running` and `waiting`; None with every bad line (the first five)."""
    lines = text.split("\n")
    header = [cell.strip() for cell in lines[0].split(",")]
    missing = [column for column in NEEDED if column not in header]
    if missing:
        span = Span(name, 1, 1, 1, max(2, len(lines[0]) + 1))
        named = ", ".join(f"`{column}`" for column in missing)
        return None, [Diagnostic("M547", f"`{name}` has no column {named}", span)]
    rows, bad = list[list[float]](), list[Diagnostic]()
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        values = _values(line, header)
        if isinstance(values, str):
            span = Span(name, number, 1, number, len(line) + 1)
            bad.append(Diagnostic("M547", f"line {number} of `{name}` {values}", span))
        else:
            rows.append(values)
    if bad:
        return None, bad[:SHOWN]
    return (Series(*np.array(rows).T) if rows else None), []


def _values(line: str, header: list[str]) -> list[float] | str:
    """`t`, `running` and `waiting` of one line, or what is wrong with it."""
    cells = next(csv.reader([line]))
    if len(cells) != len(header):
        return f"has {len(cells)} cells, the header has {len(header)}"
    values = []
    for column in NEEDED:
        cell = cells[header.index(column)].strip()
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < 0:
            return f"has `{cell}` for `{column}`"
        values.append(value)
    return values
