"""The files of one tensor-parallel degree of a bundle, read with a diagnostic for every line that is not as it should be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.profile.skew import bound_of
from moec.diagnostics import Diagnostic
from moec.diagnostics.csv_records import Source, limited, number, read_table

FAMILY = "M56"
MOST = 1e9
"""Counts and microseconds that are believed."""

DENSE = ("layer", "tokens", "time_us")
SEQUENCES = ("layer", "sequences", "time_us")
ATTENTION = ("prefill_chunk", "kv_prefill", "n_decode", "kv_decode", "time_us")
MOE = ("tokens", "activated_experts", "time_us")
SKEW = ("pc", "n_label", "skew_rate_label", "kv_big_label", "kp_label", "alpha", "n_samples")
TEXTS = ("layer", "n_label", "skew_rate_label", "kv_big_label", "kp_label")
FILES = {
    "dense.csv": DENSE,
    "per_sequence.csv": SEQUENCES,
    "attention.csv": ATTENTION,
    "moe.csv": MOE,
    "skew_fit.csv": SKEW,
}
"""File -> header."""

Row = tuple[float | str, ...]


@dataclass(slots=True)
class Rows:
    """The rows of one file by their keys (all columns but the measured ones), and the lines they stand on."""

    header: tuple[str, ...]
    by_key: dict[Row, tuple[float, int]] = field(default_factory=dict)

    def numbers(self) -> Array:
        """`[rows, columns]` of a file without text columns."""
        return np.array([[*key, value] for key, (value, _) in self.by_key.items()], dtype=float)

    def layers(self) -> Iterator[tuple[str, Array, Array]]:
        """Layer, ascending counts and times of a file by layers."""
        found: dict[str, list[tuple[float, float]]] = {}
        for (layer, count), (value, _) in self.by_key.items():
            found.setdefault(str(layer), []).append((float(count), value))
        for layer, pairs in found.items():
            points = np.array(sorted(pairs))
            yield layer, points[:, 0], points[:, 1]


def read_file(source: Source, file: str) -> tuple[Rows | None, list[Diagnostic]]:
    """One file of a bundle; `source.name` is its path as the user would write it. Rows may stand in any order."""
    header = FILES[file]
    numbers = _quickly(source, header) if not set(header) & set(TEXTS) else None
    if numbers is not None:
        return Rows(header, _keyed(numbers)), []
    table, found = read_table(source, (header,))
    if table is None or found:
        return None, found
    if not table.lines:
        return None, [source.error(1, f"{source.what} `{source.name}` has a header and no rows")]
    rows, wrong = Rows(header), list[Diagnostic]()
    for line, fields in table.lines:
        problem = _enter(rows, source, line, fields)
        if problem is not None:
            wrong.append(problem)
    return (None, limited(wrong)) if wrong else (rows, [])


def _quickly(source: Source, header: tuple[str, ...]) -> Array | None:
    """The numbers of a file in which nothing is wrong; None when the slower way has to say what is."""
    try:
        with (Path(source.directory) / source.name).open(encoding="utf-8") as file:
            lines = file.read().splitlines()
        if len(lines) < 2 or lines[0].strip() != ",".join(header):
            return None
        numbers = np.loadtxt(lines[1:], delimiter=",", comments=None, ndmin=2)
    except (OSError, ValueError):
        return None
    counts, times = numbers[:, :-1], numbers[:, -1]
    sound = numbers.shape[1] == len(header) and bool(
        ((numbers >= 0) & (numbers <= MOST)).all() and (counts == np.floor(counts)).all() and (times > 0).all()
    )
    return numbers if sound and len(np.unique(counts, axis=0)) == len(counts) else None


def _keyed(numbers: Array) -> dict[Row, tuple[float, int]]:
    """By key, with the lines they stand on if none is blank, which only mistakes ask for."""
    return {tuple(row[:-1]): (row[-1], line) for line, row in enumerate(numbers.tolist(), start=2)}


def _enter(rows: Rows, source: Source, line: int, fields: Sequence[str]) -> Diagnostic | None:
    """Put one line into `rows`, or say what is wrong with it."""
    measured = rows.header.index("alpha" if "alpha" in rows.header else "time_us")
    values: list[float | str] = []
    for name, text in zip(rows.header, fields, strict=True):
        value = text if name in TEXTS else number(text)
        problem = "empty" if text == "" else _problem(name, text, value)
        if problem or value is None:
            return source.at(2, line, f"`{name}` is {problem}" if text == "" else f"`{name}` is `{text}`, {problem}")
        values.append(value)
    key, time = tuple(values[:measured]), values[measured]
    assert isinstance(time, float)
    before = rows.by_key.setdefault(key, (time, line))
    if before[0] != time:
        shown = ", ".join(
            f"{n} {v if isinstance(v, str) else f'{v:g}'}" for n, v in zip(rows.header, key, strict=False)
        )
        return source.at(3, line, f"{shown} was {before[0]:g} on line {before[1]} and is {time:g} here", "keep one")
    return None


def _problem(name: str, text: str, value: float | str | None) -> str:
    """What is wrong with a field, or nothing."""
    if value is None:
        return "not a number"
    if isinstance(value, str):
        return "" if name == "layer" or _is_label(text) else "not a bound such as `n<=8` or `kp=0`"
    if name == "alpha":
        return ""
    if not 0 <= value <= MOST:
        return f"not between 0 and {MOST:g}"
    if name == "time_us":
        return "" if value > 0 else "and no kernel takes no time"
    return "" if value == int(value) else "not a whole number"


def _is_label(text: str) -> bool:
    try:
        bound_of(text)
    except ValueError:
        return False
    return True
