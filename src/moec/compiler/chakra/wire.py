"""Protocol-buffer bytes of many like messages at once: a matrix with one row per message.

Variable-length integers of one column all get the width of the widest value. Padding a varint with continuation bytes is
valid in every protocol-buffer decoder (the encoding documentation only asks for at most ten bytes), and it makes equal
messages equally long, so that a column is written by one array assignment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""Wire types."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A varint that differs from row to row, `[rows]`, or from rank to rank as well, `[ranks, rows]`; `width` bytes."""

    values: NDArray[np.int64]
    width: int


@dataclass(frozen=True, slots=True, eq=False)
class Digits:
    """A decimal number in text, padded with zeros to `width` characters; shapes as in `Column`."""

    values: NDArray[np.int64]
    width: int


Piece = bytes | Column | Digits
Message = tuple[Piece, ...]


def varint(value: int) -> bytes:
    """The shortest encoding of a non-negative integer."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def column(values: NDArray[np.int64]) -> Piece:
    """A varint column, or plain bytes if all its values are equal."""
    low, high = int(values.min()), int(values.max())
    return varint(low) if low == high else Column(values, len(varint(high)))


def digits(values: NDArray[np.int64]) -> Piece:
    """A column of decimal digits, or plain text if all its values are equal."""
    low, high = int(values.min()), int(values.max())
    return str(low).encode() if low == high else Digits(values, len(str(high)))


def tag(number: int, kind: int) -> bytes:
    """The key of a field."""
    return varint(number << 3 | kind)


def size(pieces: Sequence[Piece]) -> int:
    """Bytes of a row."""
    return sum(len(p) if isinstance(p, bytes) else p.width for p in pieces)


def integer(number: int, value: int | NDArray[np.int64]) -> Message:
    """A varint field."""
    return (tag(number, VARINT), varint(value) if isinstance(value, int) else column(value))


def message(number: int, *pieces: Piece) -> Message:
    """A field with a length: a string, bytes, packed integers or another message."""
    return (tag(number, LENGTH) + varint(size(pieces)), *pieces)


def delimited(*pieces: Piece) -> Message:
    """A message with its length before it, as it stands in a stream."""
    return (varint(size(pieces)), *pieces)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of a matrix of bytes: `base` `[rows, width]` for rank 0, and what other ranks have in its place."""

    base: Bytes
    patches: tuple[tuple[slice, Bytes], ...]

    def of(self, rank: int) -> bytes:
        """The rows of one rank, end to end."""
        if not self.patches:
            return self.base.tobytes()
        own = self.base.copy()
        for where, values in self.patches:
            own[:, where] = values[rank]
        return own.tobytes()


def render(pieces: Sequence[Piece], rows: int) -> Rows:
    """All rows of a message (or of several, end to end)."""
    base = np.empty((rows, size(pieces)), dtype=np.uint8)
    patches: list[tuple[slice, Bytes]] = []
    place = 0
    for piece in pieces:
        if isinstance(piece, bytes):
            base[:, place : place + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
            place += len(piece)
            continue
        where = slice(place, place + piece.width)
        encoded = _varints(piece) if isinstance(piece, Column) else _decimals(piece)
        if encoded.ndim == 3:
            patches.append((where, encoded))
            base[:, where] = encoded[0]
        else:
            base[:, where] = encoded
        place += piece.width
    return Rows(base, tuple(patches))


def _varints(piece: Column) -> Bytes:
    shift = 7 * np.arange(piece.width)
    more = np.full(piece.width, 0x80)
    more[-1] = 0
    encoded: Bytes = ((piece.values[..., None] >> shift) & 0x7F | more).astype(np.uint8)
    return encoded


def _decimals(piece: Digits) -> Bytes:
    power = 10 ** np.arange(piece.width - 1, -1, -1)
    return (piece.values[..., None] // power % 10 + ord("0")).astype(np.uint8)
