"""One kind of trace node, for many rows at once: its fields and attributes as the simulator's feeders read them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np

from moec.arrays import Ints
from moec.compiler.chakra.wire import Message, Piece, column, delimited, digits, integer, message

Value = int | Ints

VERSION = "0.0.4"


class NodeType(IntEnum):
    """`NodeType` of et_def.proto."""

    MEM_LOAD = 2
    MEM_STORE = 3
    COMP = 4
    SEND = 5
    RECV = 6
    COLL = 7


class CollectiveType(IntEnum):
    """`comm_type` of a collective (`CollectiveCommType` upstream)."""

    ALL_REDUCE = 0
    ALL_GATHER = 2
    ALL_TO_ALL = 6
    REDUCE_SCATTER = 7


ID, NAME, TYPE, CTRL_DEPS, DATA_DEPS, DURATION, ATTR = 1, 2, 3, 4, 5, 7, 10
A_NAME, A_INT32, A_INT64, A_UINT32, A_UINT64, A_BOOL, A_STRING = 1, 7, 9, 11, 13, 27, 29

GLOBAL_METADATA = bytes(b"".join(delimited(*message(1, VERSION.encode()))))  # type: ignore[arg-type]
"""What every file begins with."""


def node(
    ids: Value,
    name: Sequence[Piece],
    kind: NodeType,
    ctrl: Sequence[Value],
    data: Sequence[Value],
    attrs: Sequence[Message],
) -> Message:
    """A node with its length before it."""
    pieces = (*integer(ID, ids), *(message(NAME, *name) if name else ()), *integer(TYPE, int(kind)))
    for number, deps in ((CTRL_DEPS, ctrl), (DATA_DEPS, data)):
        if deps:
            pieces += message(number, *(_packed(d) for d in deps))
    for attr in attrs:
        pieces += attr
    return delimited(*pieces)


def computes(time_ns: Value) -> tuple[Message, ...]:
    """Attributes of a kernel that takes exactly `time_ns` when the simulator computes one operation per nanosecond."""
    return (flag("is_cpu_op", False), _number("num_ops", A_INT64, time_ns), _number("tensor_size", A_UINT64, 1))


def collects(kind: CollectiveType, size: Value, group: Value | None) -> tuple[Message, ...]:
    """Attributes of a collective of `size` bytes in communicator `group` (None: all ranks)."""
    attrs = (flag("is_cpu_op", False), _number("comm_type", A_INT64, int(kind)), _number("comm_size", A_INT64, size))
    return attrs if group is None else (*attrs, _text("pg_name", group))


def moves(kind: NodeType, peer: Value, own: Value, size: Value, label: Value) -> tuple[Message, ...]:
    """Attributes of a send to, or a receive from, `peer`."""
    source, target = (own, peer) if kind is NodeType.SEND else (peer, own)
    return (
        flag("is_cpu_op", False),
        _number("comm_src", A_INT32, source),
        _number("comm_dst", A_INT32, target),
        _number("comm_size", A_INT64, size),
        _number("comm_tag", A_INT32, label),
    )


def messages(kind: NodeType, peer: Value, size: Value, label: Value) -> tuple[Message, ...]:
    """The least that a send or receive needs: its other end defaults to the rank itself."""
    end = "comm_dst" if kind is NodeType.SEND else "comm_src"
    return (_number(end, A_INT32, peer), _number("comm_size", A_INT64, size), _number("comm_tag", A_INT32, label))


def stores(size: Value) -> tuple[Message, ...]:
    """Attributes of a memory node."""
    return (flag("is_cpu_op", False), _number("tensor_size", A_UINT64, size))


def flag(name: str, value: bool) -> Message:
    """A boolean attribute."""
    return message(ATTR, *message(A_NAME, name.encode()), *integer(A_BOOL, int(value)))


def _number(name: str, field: int, value: Value) -> Message:
    return message(ATTR, *message(A_NAME, name.encode()), *integer(field, value))


def _text(name: str, value: Value) -> Message:
    text: Piece = str(value).encode() if isinstance(value, int) else digits(value)
    return message(ATTR, *message(A_NAME, name.encode()), *message(A_STRING, text))


def _packed(value: Value) -> Piece:
    return column(np.array([value])) if isinstance(value, int) else column(value)
