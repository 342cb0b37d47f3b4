"""A trace file, of any schema, packed by gzip or not: what it holds and what is wrong with its bytes."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from moec.compiler.chakra.fields import MARGIN, Fields, Octets, Places, fields, octets
from moec.compiler.chakra.reading.old_schema import decode_old, version
from moec.compiler.chakra.trace import Trace
from moec.compiler.chakra.wire import LENGTH

Fault = Literal["empty", "gzip", "bad-gzip", "truncated", "no-metadata", "bad-bytes", "old-schema"]
LOSSY: frozenset[Fault] = frozenset({"empty", "bad-gzip", "truncated", "bad-bytes"})
"""Of a file with one of these not all nodes could be read, or there are none."""
GZIP = b"\x1f\x8b"
"""How a file begins that is packed by gzip."""
_MOST_LENGTH_BYTES = 5
"""A record's length is a 32-bit varint (chakra, feeder_v3/protobuf_util.h)."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something wrong with a file's bytes, in a sentence."""

    fault: Fault
    sentence: str


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """What was read of a file's bytes. Nodes whose bytes make no sense are left out of `trace`, and said in `troubles`."""

    trace: Trace
    troubles: tuple[Trouble, ...]


def content(raw: bytes) -> Content:
    """The nodes in the bytes of a file. Never raises for what the bytes are: see `Content.troubles`."""
    troubles: list[Trouble] = []
    data = raw
    if raw.startswith(GZIP):
        data = _unpacked(raw, troubles)
    elif not raw:
        troubles.append(Trouble("empty", "the file is empty"))
    span, cut = records(data)
    if cut is not None:
        troubles.append(
            Trouble("truncated", f"the file ends within a record, which starts at byte {cut} of {len(data)}")
        )
    page = octets(data)
    metadata = bool(len(span)) and _is_metadata(fields(page, span[:1, 0], span[:1, 1]))
    body = span[1:] if metadata else span
    trace, bad, schema = _nodes(page, body, metadata=metadata)
    if schema != "0.0.4":
        troubles.append(Trouble("old-schema", f"the nodes are in schema {schema}"))
    elif len(span) and not metadata:
        troubles.append(Trouble("no-metadata", "the first record is a node, not the file's metadata"))
    if bad.size:
        first = int(body[bad[0], 0])
        troubles.append(Trouble("bad-bytes", f"{len(bad)} record(s) are no valid message, the first at byte {first}"))
    return Content(trace, tuple(troubles))


def _unpacked(raw: bytes, troubles: list[Trouble]) -> bytes:
    troubles.append(Trouble("gzip", "the file is packed by gzip"))
    unpack = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        return gzip.decompress(raw)
    except (EOFError, OSError, zlib.error) as error:
        troubles.append(Trouble("bad-gzip", f"the packed data cannot be read to its end: {error}"))
    try:
        return unpack.decompress(raw)
    except zlib.error:
        return b""


def records(data: bytes) -> tuple[NDArray[np.int64], int | None]:
    """Where the records stand, `[records, 2]`; where the last one starts if it is not all there."""
    spans: list[tuple[int, int]] = []
    at, end = 0, len(data)
    while at < end:
        begin, length, shift = at, 0, 0
        while True:
            if at >= end or at - begin == _MOST_LENGTH_BYTES:
                return np.array(spans, dtype=np.int64).reshape(-1, 2), begin
            byte = data[at]
            at += 1
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        if at + length > end:
            return np.array(spans, dtype=np.int64).reshape(-1, 2), begin
        spans.append((at, at + length))
        at += length
    return np.array(spans, dtype=np.int64).reshape(-1, 2), None


def _is_metadata(found: Fields) -> bool:
    """Whether a record has nothing but a version (1) and attributes (2): a node has numbers in 1 or fields from 3 on."""
    return not found.bad.size and bool(((found.number <= 2) & (found.wire == LENGTH)).all())


def _nodes(page: Octets, span: NDArray[np.int64], *, metadata: bool) -> tuple[Trace, Places, str]:
    """Columns of the records that can be read, which ones cannot, and their schema."""
    found = fields(page, span[:, 0], span[:, 1])
    schema = version(page, found, metadata=metadata)
    bad = found.bad
    if bad.size:
        good = np.setdiff1d(np.arange(len(span)), bad)
        found = fields(page, span[good, 0], span[good, 1])
    else:
        good = np.arange(len(span))
    trace, inner = decode_old(page, span[good], found, schema)
    return trace, np.sort(np.concatenate((bad, good[inner]))), schema


def raw_node(trace: Trace, i: int) -> bytes:
    """The message of node i as it stands in the file."""
    start, end = trace.span[i]
    return trace.data[:-MARGIN][start:end].tobytes()
