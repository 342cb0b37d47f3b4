"""The lines of a table of layer times, by layer, with a diagnostic for every line that is not as it should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from moec.arrays import Array
from moec.diagnostics import Diagnostic
from moec.diagnostics.csv_records import Source, limited, number, read_table, whole

FAMILY = "M57"
HEADER = ("hardware", "model", "layer_name", "input", "kv_cache", "latency(ns)")
MOST = 1e13
"""Nanoseconds and tokens that are believed."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Times of one layer by (input tokens, cached tokens), all that were measured, in the order of the file."""

    times: Mapping[tuple[int, int], tuple[float, ...]]

    @property
    def repeated(self) -> int:
        """Pairs of counts that have several different times."""
        return sum(len(set(times)) > 1 for times in self.times.values())

    def over_input(self) -> tuple[Array, Array]:
        """Token counts and times without cached tokens; of a single token, which no cache makes another, all times.

        Of several times of one count, the median: the first of them often holds a warm-up.
        """
        found: dict[int, list[float]] = {}
        for (tokens, cached), times in self.times.items():
            if cached == 0 or tokens == 1:
                found.setdefault(tokens, []).extend(times)
        return _curve(found)

    def alone(self) -> tuple[Array, Array]:
        """Token counts of prompts, which have nothing cached, and times."""
        return _curve({tokens: list(times) for (tokens, cached), times in self.times.items() if cached == 0})

    def over_cache(self) -> tuple[Array, Array]:
        """Cached tokens and times of a single token."""
        return _curve({cached: list(times) for (tokens, cached), times in self.times.items() if tokens == 1})


def _curve(found: Mapping[int, Sequence[float]]) -> tuple[Array, Array]:
    counts = sorted(found)
    return np.array(counts, dtype=float), np.array([float(np.median(found[n])) for n in counts])


def read_rows(source: Source) -> tuple[dict[str, Measured] | None, list[Diagnostic]]:
    """The layers of a file that holds the times of one model on one device."""
    table, found = read_table(source, (HEADER,))
    if table is None or found:
        return None, found
    layers: dict[str, dict[tuple[int, int], list[float]]] = {}
    owners: dict[tuple[str, str], int] = {}
    wrong = list[Diagnostic]()
    for line, fields in table.lines:
        problem = _problem(fields)
        if problem:
            wrong.append(source.at(2, line, problem))
            continue
        hardware, model, layer, tokens, cached, time = fields
        owners.setdefault((hardware, model), line)
        layers.setdefault(layer, {}).setdefault((int(tokens), int(cached)), []).append(float(time))
    if len(owners) > 1:
        (first, _), (second, line), *_ = owners.items()
        title = f"`{second[1]}` on `{second[0]}`, after lines of `{first[1]}` on `{first[0]}`"
        wrong.append(source.at(3, line, title, "give each model and device a file of its own"))
    if not wrong and not layers:
        wrong.append(source.error(1, f"{source.what} `{source.name}` has a header and no rows"))
    if wrong:
        return None, limited(wrong)
    return {layer: Measured({key: tuple(t) for key, t in times.items()}) for layer, times in layers.items()}, []


def _problem(fields: Sequence[str]) -> str:
    """What is wrong with a line, or nothing."""
    for name, text in zip(HEADER[:3], fields[:3], strict=True):
        if not text:
            return f"`{name}` is empty"
    for name, text in zip(HEADER[3:5], fields[3:5], strict=True):
        value = whole(text)
        if value is None or value > MOST:
            return f"`{name}` is `{text}`, not a whole number from 0" if text else f"`{name}` is empty"
    if fields[3] == "0":
        return "`input` is `0`, and no layer runs on no tokens"
    time = number(fields[5])
    if time is None:
        return f"`{HEADER[5]}` is `{fields[5]}`, not a number" if fields[5] else f"`{HEADER[5]}` is empty"
    return "" if 0 < time <= MOST else f"`{HEADER[5]}` is `{fields[5]}`, not above 0 and at most {MOST:g}"
