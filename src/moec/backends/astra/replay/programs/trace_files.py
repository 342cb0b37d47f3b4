"""The files of all ranks of a trace set, many read together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import FileIO

from moec.backends.astra.network.refusal import Refusal, Stopped, aborts
from moec.backends.astra.replay.programs.trace_rows import Sheet, sheets
from moec.compiler.chakra.reading.many_files import batch
from moec.compiler.chakra.reading.read import Fault, Trouble, content
from moec.compiler.chakra.trace import Trace

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
_PORTION = 1 << 22
"""Bytes of files that are decoded together."""


def sheets_of(prefix: str, world: int) -> tuple[list[Sheet], list[str]]:
    """The file of every rank, equal ones read once, and what is odd about them. Raises Stopped as the simulator does."""
    places: dict[bytes, list[int]] = {}
    locked = 0
    for rank in range(world):
        name = f"{prefix}.{rank}.et"
        places.setdefault(_bytes(name), []).append(rank)
        locked += not os.access(name, os.W_OK)
    found: list[Sheet | None] = [None] * world
    notes: list[str] = (
        [f"{locked} of {world} traces are not writable, which ASTRA-sim needs to open them"] if locked else []
    )
    texts: dict[bytes, int] = {}
    for raws in _portions(list(places)):
        together = batch(raws) if len(raws) > 1 else None
        if together is not None:
            read = sheets(together, texts)
        else:
            read = [sheets(_single(raw, places[raw][0], notes), texts)[0] for raw in raws]
        for raw, sheet in zip(raws, read, strict=True):
            for rank in places[raw]:
                found[rank] = sheet
    return [sheet for sheet in found if sheet is not None], notes


def _bytes(name: str) -> bytes:
    try:
        with FileIO(name) as file:
            return file.readall()
    except FileNotFoundError:
        raise Stopped(Refusal("exits", 1, f"`workload file: {name} does not exist`")) from None
    except IsADirectoryError:
        raise Stopped(aborts(f"`Failed to open file {name}`: it is a directory")) from None
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
