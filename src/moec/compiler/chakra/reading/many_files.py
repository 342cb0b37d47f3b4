"""Many trace files of today's schema at once: their nodes in one table, with the file that each is from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moec.compiler.chakra.fields import MARGIN, Octets, Places, fields, octets, varints
from moec.compiler.chakra.reading.decode import SCHEMA, decode
from moec.compiler.chakra.reading.old_schema import version
from moec.compiler.chakra.trace import Attribute, Trace
from moec.compiler.chakra.wire import LENGTH


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """`file[i]`: which file node i of `trace` is from. Files stand one after the other, nodes in the order of theirs.

    `end`: where each file ends in the data.
    """

    trace: Trace
    file: Places
    end: Places


def batch(raws: Sequence[bytes]) -> Batch | None:
    """The nodes of sound files of today's schema; None if one of them is anything else."""
    page = octets(b"".join(raws))
    end = np.cumsum([len(raw) for raw in raws])
    at = end - [len(raw) for raw in raws]
    first = _records(page, at, end)
    if first is None or not _metadata(page, *first):
        return None
    at = first[1].copy()
    starts, ends, files = [], [], []
    live = np.flatnonzero(at < end)
    while live.size:
        found = _records(page, at[live], end[live])
        if found is None:
            return None
        starts.append(found[0])
        ends.append(found[1])
        files.append(live)
        at[live] = found[1]
        live = live[found[1] < end[live]]
    if not starts:
        return None
    span, file = np.stack((np.concatenate(starts), np.concatenate(ends)), axis=1), np.concatenate(files)
    order = np.argsort(span[:, 0], kind="stable")
    trace = _decoded(page, span[order])
    return None if trace is None else Batch(trace, file[order], end)


def _records(page: Octets, at: Places, end: Places) -> tuple[Places, Places] | None:
    """Where the records at `at` begin and end; None if one is not all there."""
    if not (at < end).all():
        return None
    length, first, sound = varints(page, at, end)
    after = first + length.astype(np.int64)
    return (first, after) if sound.all() and (after <= end).all() and (first - at <= 5).all() else None


def _metadata(page: Octets, start: Places, end: Places) -> bool:
    """Whether records have nothing but a version (1) and attributes (2)."""
    found = fields(page, start, end)
    return not found.bad.size and bool(((found.number <= 2) & (found.wire == LENGTH)).all())


def _decoded(page: Octets, span: NDArray[np.int64]) -> Trace | None:
    found = fields(page, span[:, 0], span[:, 1])
    if found.bad.size or version(page, found, metadata=True) != SCHEMA:
        return None
    trace, bad = decode(page, span, found)
    return None if bad.size else trace


def apart(batch: Batch) -> list[Trace]:
    """The trace of each file by itself."""
    return [cut(batch, place) for place in range(len(batch.end))]


def cut(batch: Batch, place: int) -> Trace:
    """The trace of one file."""
    whole = batch.trace
    a, b = np.searchsorted(batch.file, (place, place + 1)).tolist()
    start, end = int(batch.end[place - 1]) if place else 0, int(batch.end[place])
    first, last = int(whole.dep_start[a]), int(whole.dep_start[b])
    columns = {}
    for name, column in whole.attributes.items():
        form = column.form[a:b]
        if form.any():
            columns[name] = Attribute(form, column.value[a:b], column.start[a:b] - start, column.end[a:b] - start)
    return Trace(
        whole.schema,
        whole.data[start : end + MARGIN],
        whole.span[a:b] - start,
        whole.id[a:b],
        whole.kind[a:b],
        whole.name_start[a:b] - start,
        whole.name_end[a:b] - start,
        whole.dep_start[a : b + 1] - first,
        whole.deps[first:last],
        whole.duration_ns[a:b],
        columns,
    )
