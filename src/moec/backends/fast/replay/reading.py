"""The traces of all ranks of a set, and which of them are alike but for the numbers of their nodes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from moec.backends.fast.astra.refusal import Refusal, Stopped, aborts
from moec.compiler.chakra.batch import apart, batch
from moec.compiler.chakra.read import Fault, Trouble, content
from moec.compiler.chakra.trace import BOOL_LIST, COMP, STRING, Attribute, Trace

_FATAL: Mapping[Fault, str] = {
    "empty": "`Failed to read global metadata`",
    "bad-gzip": "the file is packed, and damaged",
    "truncated": "a file ends within a record; the simulator takes what is left of it for a node",
    "no-metadata": "the first node is taken for the metadata and lost",
    "bad-bytes": "records that are no valid messages",
}
_NOTED: Mapping[Fault, str] = {
    "gzip": "is packed by gzip, which ASTRA-sim does not unpack",
    "old-schema": "is in a schema that ASTRA-sim does not read; converted to 0.0.4 it would run as here",
}
_OF_KERNELS = ("num_ops", "tensor_size")
_TEXTS = ("pg_name", "involved_dim")
_PORTION = 1 << 22
"""Bytes of files that are decoded together."""


def traces_of(prefix: str, world: int) -> tuple[list[Trace], list[str]]:
    """The trace of every rank, equal files read once, and what is odd about them. Raises Stopped as the simulator does."""
    places: dict[bytes, list[int]] = {}
    for rank in range(world):
        places.setdefault(_bytes(f"{prefix}.{rank}.et"), []).append(rank)
    found: list[Trace | None] = [None] * world
    notes: list[str] = []
    for raws in _portions(list(places)):
        together = batch(raws) if len(raws) > 1 else None
        traces = apart(together) if together is not None else [_single(raw, places[raw][0], notes) for raw in raws]
        for raw, trace in zip(raws, traces, strict=True):
            for rank in places[raw]:
                found[rank] = trace
    return [trace for trace in found if trace is not None], notes


def _bytes(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except FileNotFoundError:
        raise Stopped(Refusal("exits", 1, f"`workload file: {name} does not exist`")) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Stopped(Refusal("exits", 1, f"the trace {name} cannot be read: {reason}")) from None


def _portions(raws: list[bytes]) -> list[list[bytes]]:
    portions: list[list[bytes]] = [[]]
    size = 0
    for raw in raws:
        if size > _PORTION:
            portions.append([])
            size = 0
        portions[-1].append(raw)
        size += len(raw)
    return portions


def _single(raw: bytes, rank: int, notes: list[str]) -> Trace:
    """One file, whatever it is."""
    read = content(raw)
    for trouble in read.troubles:
        notes.append(_judged(trouble, rank))
    return read.trace


def _judged(trouble: Trouble, rank: int) -> str:
    if trouble.fault in _FATAL:
        raise Stopped(aborts(f"rank {rank}: {_FATAL[trouble.fault]} ({trouble.sentence})"))
    return f"the trace of rank {rank} {_NOTED[trouble.fault]}"


def shape(trace: Trace, *, kernels: bool = True) -> bytes:
    """Equal for traces that differ in nothing but the names of nodes and what their numbers count from.

    `kernels` False: nor in how long kernels take.
    """
    if not len(trace):
        return b""
    base, timed = trace.id[0], np.zeros(len(trace), dtype=bool) if kernels else trace.kind == COMP
    parts: list[bytes] = [
        (trace.id - base).tobytes(),
        trace.kind.tobytes(),
        trace.dep_start.tobytes(),
        (trace.deps - base).tobytes(),
        np.where(timed, 0, trace.duration_ns).tobytes(),
    ]
    for name, column in sorted(trace.attributes.items()):
        value = np.where(timed, 0, column.value) if name in _OF_KERNELS else column.value
        parts += [name.encode(), column.form.tobytes(), value.tobytes()]
        if name in _TEXTS:
            parts += _texts(trace, column)
    return b"\0".join(parts)


def _texts(trace: Trace, column: Attribute) -> list[bytes]:
    rows = np.flatnonzero(np.isin(column.form, (STRING, BOOL_LIST)))
    return [trace.data[column.start[i] : column.end[i]].tobytes() for i in rows.tolist()]
