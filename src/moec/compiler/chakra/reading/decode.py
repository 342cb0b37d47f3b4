"""From the bytes of nodes in schema 0.0.4 to columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moec.compiler.chakra.fields import Fields, Octets, Places, fields, packed
from moec.compiler.chakra.node import ATTR, CTRL_DEPS, DATA_DEPS, DURATION, ID, NAME, TYPE
from moec.compiler.chakra.trace import NO_VALUE, Attribute, Trace
from moec.compiler.chakra.wire import LENGTH, VARINT

SCHEMA = "0.0.4"
KNOWN = (
    "is_cpu_op",
    "num_ops",
    "tensor_size",
    "comm_type",
    "comm_size",
    "comm_src",
    "comm_dst",
    "comm_tag",
    "comm_priority",
    "pg_name",
    "involved_dim",
    "inputs",
    "outputs",
)
"""The attributes that the simulator reads."""
_LOW = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)
"""Masks of the first n bytes of a little-endian word."""
_FIRST_VALUE, _LAST_VALUE = 3, 32


def decode(data: Octets, span: NDArray[np.int64], found: Fields) -> tuple[Trace, Places]:
    """The nodes at `span` `[nodes, 2]`, whose fields are `found`; which of them have attributes that cannot be read."""
    count = len(span)
    names = latest(found, NAME, LENGTH, count)
    attrs = found.where((found.number == ATTR) & (found.wire == LENGTH))
    columns, bad = _attributes(data, attrs, count)
    dep_start, deps = dependencies(data, found, (DATA_DEPS, CTRL_DEPS), count)
    return Trace(
        SCHEMA,
        data,
        span,
        value_of(found, ID, count),
        value_of(found, TYPE, count).astype(np.int64),
        *names,
        dep_start,
        deps,
        value_of(found, DURATION, count).astype(np.int64) * 1000,
        columns,
    ), bad


def value_of(found: Fields, number: int, count: int) -> NDArray[np.uint64]:
    """The last varint of a field in every message, 0 without one."""
    mask = (found.number == number) & (found.wire == VARINT)
    values = np.zeros(count, dtype=np.uint64)
    values[found.owner[mask]] = found.value[mask]
    return values


def latest(found: Fields, number: int, wire: int, count: int) -> tuple[Places, Places]:
    """Where the last payload of a field stands in every message; empty without one."""
    mask = (found.number == number) & (found.wire == wire)
    start, end = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    start[found.owner[mask]], end[found.owner[mask]] = found.start[mask], found.end[mask]
    return start, end


def dependencies(
    data: Octets, found: Fields, numbers: tuple[int, ...], count: int
) -> tuple[Places, NDArray[np.uint64]]:
    """Repeated integers, packed or not, as rows of varying length: where each row starts, and the values."""
    listed = np.isin(found.number, numbers)
    single = found.where(listed & (found.wire == VARINT))
    many = found.where(listed & (found.wire == LENGTH))
    which, values = packed(data, many.start, many.end)
    owner = np.concatenate((many.owner[which], single.owner))
    order = np.argsort(owner, kind="stable")
    start = np.searchsorted(owner[order], np.arange(count + 1))
    return start, np.concatenate((values, single.value))[order]


def _attributes(data: Octets, attrs: Fields, count: int) -> tuple[Mapping[str, Attribute], Places]:
    """Columns of the attributes we know; `attrs` are the fields that hold one. Of two with one name the first counts."""
    inner = fields(data, attrs.start, attrs.end)
    total = len(attrs.start)
    name_start, name_end = latest(inner, 1, LENGTH, total)
    valued = (inner.number >= _FIRST_VALUE) & (inner.number <= _LAST_VALUE)
    form = np.full(total, NO_VALUE, dtype=np.uint8)
    value = np.zeros(total, dtype=np.int64)
    start, end = np.zeros(total, dtype=np.int64), np.zeros(total, dtype=np.int64)
    at = inner.owner[valued]
    form[at] = inner.number[valued].astype(np.uint8)
    value[at] = _signed(inner.number[valued], inner.value[valued])
    start[at], end[at] = inner.start[valued], inner.end[valued]
    columns = {}
    for name, rows in _by_name(data, name_start, name_end).items():
        back, owner = rows[::-1], attrs.owner[rows[::-1]]
        parts: tuple[NDArray[Any], ...] = (form, value, start, end)
        column = [np.zeros(count, dtype=x.dtype) for x in parts]
        for whole, part in zip(column, parts, strict=True):
            whole[owner] = part[back]
        columns[name] = Attribute(*column)
    return columns, attrs.owner[inner.bad]


def _by_name(data: Octets, start: Places, end: Places) -> Mapping[str, Places]:
    """Rows of the attributes whose names we know."""
    length = end - start
    words = np.ndarray(len(data) - 7, "<u8", data, strides=(1,))  # the eight bytes from every place on
    head = words[start] & _LOW[np.minimum(length, 8)]
    tail = words[start + np.where(length > 8, 8, 0)] & _LOW[np.clip(length - 8, 0, 8)]
    rows = {}
    for name in KNOWN:
        first, second = (int.from_bytes(part.encode(), "little") for part in (name[:8], name[8:]))
        at = np.flatnonzero((head == np.uint64(first)) & (tail == np.uint64(second)) & (length == len(name)))
        if at.size:
            rows[name] = at
    return rows


def _signed(number: NDArray[np.int64], bits: NDArray[np.uint64]) -> NDArray[np.int64]:
    """What the bits of an integer field mean: zigzag for sint, sign-extended for sfixed32."""
    value = bits.astype(np.int64)
    zigzag = (number == 15) | (number == 17)
    if zigzag.any():
        value[zigzag] = (bits[zigzag] >> np.uint64(1)).astype(np.int64) ^ -(value[zigzag] & 1)
    short = number == 23
    if short.any():
        value[short] = bits[short].astype(np.uint32).view(np.int32)
    return value
