"""How often each expert was chosen in a recorded run: the CSV of `layer_id,expert_id,count`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from moec.diagnostics import Diagnostic
from moec.diagnostics.csv_records import Source, Table, limited, number, read_table, whole

HEADER = ("layer_id", "expert_id", "count")
LEAST, MOST = 1e-12, 1e15
"""Counts that popularity is computed from: beyond these, shares vanish in double precision."""


def read_counts(
    source: Source, layers: Sequence[int], experts: int
) -> tuple[NDArray[np.float64] | None, list[Diagnostic]]:
    """Counts `[layers, experts]` of the model's MoE layers `layers` (numbered among all layers, from 0).

    An expert without a line was never chosen. Every MoE layer must have a line, and no other layer may.
    """
    table, found = read_table(source, (HEADER,))
    if table is None:
        return None, found
    counts = np.full((len(layers), experts), np.nan)
    row_of = {layer: row for row, layer in enumerate(layers)}
    wrong = [d for line, fields in table.lines if (d := _enter(counts, row_of, source, line, fields)) is not None]
    found = found + limited(wrong) + _missing(source, table, layers)
    return (None, found) if found else (np.nan_to_num(counts), [])


def _enter(
    counts: NDArray[np.float64], row_of: dict[int, int], source: Source, line: int, fields: tuple[str, ...]
) -> Diagnostic | None:
    """Put one line into `counts`, or say what is wrong with it."""
    layer, expert, count = whole(fields[0]), whole(fields[1]), number(fields[2])
    experts = counts.shape[1]
    for name, text, value in zip(HEADER, fields, (layer, expert, count), strict=True):
        if value is None:
            kind = "a number" if name == "count" else "a whole number from 0"
            return source.at(2, line, f"`{name}` is `{text}`, not {kind}")
    assert layer is not None and expert is not None and count is not None
    if count < 0:
        return source.at(2, line, f"the count is negative: {fields[2]}")
    if count > MOST or 0 < count < LEAST:
        return source.at(
            2, line, f"the count {fields[2]} is beyond reason", f"counts lie between {LEAST:g} and {MOST:g}"
        )
    if layer not in row_of:
        known = f"the model's MoE layers are {_ranges(sorted(row_of))}"
        return source.at(3, line, f"layer {layer} is not a mixture of experts", known)
    if expert >= experts:
        return source.at(3, line, f"there is no expert {expert}", f"experts are numbered 0 to {experts - 1}")
    if not np.isnan(counts[row_of[layer], expert]):
        return source.at(4, line, f"layer {layer}, expert {expert} was counted before", "give each pair one line")
    counts[row_of[layer], expert] = count
    return None


def _missing(source: Source, table: Table, layers: Sequence[int]) -> list[Diagnostic]:
    seen = {whole(fields[0]) for _, fields in table.lines}
    absent = [layer for layer in layers if layer not in seen]
    if not absent:
        return []
    title = f"{source.what} `{source.name}` has no counts for MoE layer{'s' * (len(absent) > 1)} {_ranges(absent)}"
    return [source.error(5, title, fix=f"the model's MoE layers are {_ranges(layers)}")]


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers as a reader writes them: `3 to 60` or `1, 3, 5 to 7`."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    words = [str(a) if a == b else f"{a} to {b}" for a, b in runs]
    return ", ".join(words) if len(words) <= 6 else f"{', '.join(words[:5])} … {words[-1]}"
