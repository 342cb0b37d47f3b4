"""The schemas before 0.0.4, in proto2: telling which one a file has, and turning its nodes into the columns of today.

Field numbers are from the history of github.com/mlcommons/chakra: 0.0.1 as of ec3832c, 0.0.2 as of 2719463, 0.0.3 as of
9d917e3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from moec.compiler.chakra.fields import Fields, Octets, Places, fields
from moec.compiler.chakra.reading.decode import SCHEMA, decode, dependencies, latest, value_of
from moec.compiler.chakra.trace import BOOL_LIST, Attribute, Trace
from moec.compiler.chakra.wire import FIXED32, LENGTH, VARINT

_ID, _NAME, _TYPE, _PARENT, _RUN_TIME, _INVOLVED_DIM, _COMMUNICATOR = 1, 2, 3, 4, 7, 14, 15
_FLAT = {
    "tensor_size": 6,
    "num_ops": 12,
    "comm_type": 13,
    "comm_src": 16,
    "comm_dst": 17,
    "comm_size": 18,
    "comm_tag": 19,
    "comm_priority": 20,
}
"""Attributes that schema 0.0.1 has as fields of the node."""
_UINT64, _STRING, _OLD_ATTRIBUTE = 13, 29, 11
_COLLECTIVES = {"0.0.1": (-1, 0, 6, 2, 7), "0.0.2": (0, 6, 2, 7), "0.0.3": (0, 6, 2, 7)}
"""Today's `comm_type` by the older number: all-reduce, all-to-all, all-gather, reduce-scatter (0.0.1 has an invalid one first)."""
_FORMS = {
    "0.0.2": {4: 5, 5: 9, 6: 29, 7: 6, 8: 10, 9: 30},
    "0.0.3": {4: 27, 5: 5, 6: 9, 7: 29, 8: 28, 9: 6, 10: 10, 11: 30},
}
"""Today's form of an attribute's value by its older field number."""


def version(data: Octets, found: Fields, *, metadata: bool) -> str:
    """The schema of nodes with these fields; `metadata`: the file begins with a metadata record."""
    attributes = found.where((found.number == _OLD_ATTRIBUTE) & (found.wire == LENGTH))
    if attributes.number.size:
        inner = fields(data, attributes.start, attributes.end)
        first = ((inner.number == 5) & (inner.wire == VARINT)) | ((inner.number == 4) & (inner.wire == FIXED32))
        first |= (inner.number == 6) & (inner.wire == LENGTH)
        return "0.0.2" if first.any() else "0.0.3"
    scalars = (found.number >= 8) & (found.number <= 20) & (found.wire == VARINT)
    if scalars.any():
        return "0.0.1"
    loose = (found.number == _PARENT) & (found.wire == VARINT)
    return "0.0.1" if loose.any() and not metadata else SCHEMA


def decode_old(data: Octets, span: NDArray[np.int64], found: Fields, schema: str) -> tuple[Trace, Places]:
    """As `decode`, for an older schema."""
    if schema == SCHEMA:
        return decode(data, span, found)
    count = len(span)
    kind = value_of(found, _TYPE, count).astype(np.int64)
    if schema != "0.0.3":  # there METADATA had no number yet
        kind = np.where(kind > 0, kind + 1, kind)
    if schema == "0.0.1":
        columns, bad = _flat(found, count), np.zeros(0, dtype=np.int64)
        run_time = value_of(found, _RUN_TIME, count).astype(np.int64)
    else:
        columns, bad = _listed(data, found, count, _FORMS[schema])
        run_time = np.zeros(count, dtype=np.int64)
    trace = Trace(
        schema,
        data,
        span,
        value_of(found, _ID, count),
        kind,
        *latest(found, _NAME, LENGTH, count),
        *dependencies(data, found, (_PARENT,), count),
        run_time,
        columns,
    )
    return replace(trace, attributes=_renumbered(columns, _COLLECTIVES[schema])), bad


def _renumbered(columns: Mapping[str, Attribute], now: tuple[int, ...]) -> Mapping[str, Attribute]:
    if "comm_type" not in columns:
        return columns
    old = columns["comm_type"]
    known = np.array([*now, -1])
    value = np.where(old.present, known[np.clip(old.value, 0, len(now))], 0)
    return {**columns, "comm_type": replace(old, value=value)}


def _flat(found: Fields, count: int) -> Mapping[str, Attribute]:
    """Attributes that are fields of the node."""
    columns = {}
    for name, number in _FLAT.items():
        there = found.where((found.number == number) & (found.wire == VARINT))
        columns[name] = _column(there, there.value.astype(np.int64), _UINT64, count)
    columns["involved_dim"] = _dims(found, count)
    return columns


def _dims(found: Fields, count: int) -> Attribute:
    """A field for each dimension, one after the other, as the list that they are today: from the first one's key on."""
    there = found.where((found.number == _INVOLVED_DIM) & (found.wire == VARINT))
    listed = _column(there, np.zeros(len(there.owner), dtype=np.int64), BOOL_LIST, count)
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, there.owner, there.start - 1)
    return replace(listed, start=np.where(listed.present, first, 0))


def _column(there: Fields, value: NDArray[np.int64], form: int, count: int) -> Attribute:
    forms, values = np.zeros(count, dtype=np.uint8), np.zeros(count, dtype=np.int64)
    start, end = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    forms[there.owner], values[there.owner] = form, value
    start[there.owner], end[there.owner] = there.start, there.end
    return Attribute(forms, values, start, end)


def _listed(
    data: Octets, found: Fields, count: int, forms: Mapping[int, int]
) -> tuple[Mapping[str, Attribute], Places]:
    """Attributes that are messages with a name, a type and a value in one of several fields."""
    there = found.where((found.number == _OLD_ATTRIBUTE) & (found.wire == LENGTH))
    inner = fields(data, there.start, there.end)
    starts, ends = latest(inner, 1, LENGTH, len(there.owner))
    valued = inner.where(np.isin(inner.number, list(forms)))
    names = np.array(
        [data[a:b].tobytes().decode("utf-8", "replace") for a, b in zip(starts, ends, strict=True)], dtype=object
    )
    today = np.array([forms[n] for n in valued.number.tolist()], dtype=np.uint8)
    columns = {}
    for name in set(names.tolist()):
        mine = valued.where(names[valued.owner] == name)
        column = _column(replace(mine, owner=there.owner[mine.owner]), mine.value.astype(np.int64), _UINT64, count)
        column.form[there.owner[mine.owner]] = today[names[valued.owner] == name]
        columns[name] = column
    return columns, there.owner[inner.bad]
