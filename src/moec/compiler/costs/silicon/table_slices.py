"""Slices of the package's tables: a few columns of the rows that one kind of kernel needs, without duplicates."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Array
from moec.cache import cache_directory

LAYOUT = "2"
"""Changes whenever the slices' content or form does."""

ABSENT: Mapping[str, Any] = {"window_size": 0, "kv_cache_dtype": "bfloat16"}
"""What older tables that lack a column hold throughout."""

KERNEL = "kernel_source"
"""Tables hold several kernels of one shape, of which an engine picks one by rules and tuning of its own; the fastest counts."""

NOT_GATED = "nongated"
"""Mixtures without a gate stand in the same table under the same shapes: another product less, another model."""

Where = tuple[tuple[str, str | int], ...]
"""Column–value pairs that the rows of a slice have."""


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """`keys` `[rows, columns]`: whole numbers, every row once, in order; `time_ns` `[rows]`: of the fastest of its kernels, the
    median of that kernel's repeats.

    `repeats` counts the rows that were measured more than once, `dropped` those whose time was no positive number.
    """

    columns: tuple[str, ...]
    keys: NDArray[np.int64]
    time_ns: Array
    repeats: int = 0
    dropped: int = 0

    def groups(self, *names: str) -> dict[tuple[int, ...], Slice]:
        """The rows by the values of some columns, without these columns."""
        inner = [self.columns.index(n) for n in names]
        outer = [i for i in range(len(self.columns)) if i not in inner]
        others = self.keys[:, outer]
        values, group = np.unique(self.keys[:, inner], axis=0, return_inverse=True)
        order = np.argsort(group.ravel(), kind="stable")
        bounds = np.searchsorted(group.ravel()[order], np.arange(len(values) + 1))
        rest = tuple(self.columns[i] for i in outer)
        return {
            tuple(int(v) for v in value): Slice(rest, others[part], self.time_ns[part])
            for value, part in zip(values, (order[a:b] for a, b in pairwise(bounds)), strict=True)
        }


@cache
def read_slice(path: Path, columns: tuple[str, ...], where: Where = (), unit_ns: float = 1e6) -> Slice:
    """The slice of a table. `unit_ns`: nanoseconds of the `latency` column's unit, which is the millisecond in all tables but
    those of exchanges between experts (`moe_a2a`), where it is the microsecond.
    """
    content = path.read_bytes()
    name = hashlib.sha256(content + repr((LAYOUT, columns, where, unit_ns)).encode()).hexdigest()[:24]
    stored = cache_directory()
    cached = stored / f"silicon-{name}.npz" if stored else None
    if cached is not None and cached.exists():
        found = _load(cached, columns)
        if found is not None:
            return found
    made = _clean(columns, *_read(path, columns, where), unit_ns)
    if cached is not None:
        _store(cached, made)
    return made


def _read(path: Path, columns: tuple[str, ...], where: Where) -> tuple[NDArray[np.int64], Array]:
    import pyarrow.compute as pc  # the extra `silicon`, and a fifth of a second: only when no slice is cached
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    here = set(file.schema_arrow.names)
    if any(c not in here and ABSENT.get(c) != v for c, v in where):
        return np.zeros((0, len(columns) + 1), dtype=np.int64), np.zeros(0)
    conditions = [(c, v) for c, v in where if c in here]
    needed = [*(c for c in columns if c in here), "latency", KERNEL, *(c for c, _ in conditions)]
    table = file.read(columns=list(dict.fromkeys(needed)))
    for column, value in conditions:
        table = table.filter(pc.equal(table[column], value))
    table = table.filter(pc.invert(pc.match_substring(table[KERNEL], NOT_GATED)))
    rows = table.num_rows
    keys = [
        table[c].to_numpy().astype(np.int64) if c in here else np.full(rows, ABSENT[c], dtype=np.int64) for c in columns
    ]
    kernels = table[KERNEL].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    return np.stack([*keys, kernels], axis=1), table["latency"].to_numpy().astype(float)


def _clean(columns: tuple[str, ...], keys: NDArray[np.int64], latency: Array, unit_ns: float) -> Slice:
    """`keys` with a last column that tells kernels apart."""
    good = np.isfinite(latency) & (latency > 0)
    each, counts, times = _medians(keys[good], latency[good] * unit_ns)
    rows, place = np.unique(each[:, :-1], axis=0, return_inverse=True)
    fastest = np.full(len(rows), np.inf)
    np.minimum.at(fastest, place.ravel(), times)
    return Slice(columns, rows, fastest, int((counts > 1).sum()), int((~good).sum()))


def _medians(keys: NDArray[np.int64], times: Array) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Every row once, how often it stood there, and the median of its times."""
    rows, group = np.unique(keys, axis=0, return_inverse=True)
    order = np.lexsort((times, group.ravel()))
    counts = np.bincount(group.ravel(), minlength=len(rows))
    starts = counts.cumsum() - counts
    low, high = (times[order][starts + shift] for shift in ((counts - 1) // 2, counts // 2))
    return rows, counts, (low + high) / 2


def _load(path: Path, columns: tuple[str, ...]) -> Slice | None:
    """A cached slice; None when the file is damaged: it is then made anew."""
    try:
        with np.load(path, allow_pickle=False) as data:
            repeats, dropped = (int(x) for x in data["counts"])
            return Slice(columns, data["keys"], data["time_ns"], repeats, dropped)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def _store(path: Path, made: Slice) -> None:
    """Written beside and moved, so that nobody reads half a file; a cache that is full is no error."""
    try:
        handle, beside = tempfile.mkstemp(dir=path.parent, suffix=".npz")
        with os.fdopen(handle, "wb") as file:
            np.savez(file, keys=made.keys, time_ns=made.time_ns, counts=np.array([made.repeats, made.dropped]))
        Path(beside).replace(path)
    except OSError:
        return
