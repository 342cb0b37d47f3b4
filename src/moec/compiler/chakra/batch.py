"""Many small trace files of today's schema at once: their nodes in one table, with the file that each is from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moec.compiler.chakra.decode import decode
from moec.compiler.chakra.fields import fields, octets, varints
from moec.compiler.chakra.node import GLOBAL_METADATA
from moec.compiler.chakra.trace import Trace


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """`file[i]`: which file node i of `trace` is from. Files stand one after the other, nodes in the order of theirs."""

    trace: Trace
    file: NDArray[np.int64]


def batch(raws: Sequence[bytes]) -> Batch | None:
    """The nodes of files that begin with the metadata that moec writes; None if one does not, or is not sound."""
    if not all(raw.startswith(GLOBAL_METADATA) for raw in raws):
        return None
    page = octets(b"".join(raws))
    end = np.cumsum([len(raw) for raw in raws])
    at = end - [len(raw) - len(GLOBAL_METADATA) for raw in raws]
    starts, ends, files = [], [], []
    live = np.flatnonzero(at < end)
    while live.size:
        length, first, sound = varints(page, at[live], end[live])
        after = first + length.astype(np.int64)
        if not sound.all() or (after > end[live]).any():
            return None
        starts.append(first)
        ends.append(after)
        files.append(live)
        at[live] = after
        live = live[after < end[live]]
    if not starts:
        return None
    span, file = np.stack((np.concatenate(starts), np.concatenate(ends)), axis=1), np.concatenate(files)
    order = np.argsort(span[:, 0], kind="stable")
    span, file = span[order], file[order]
    found = fields(page, span[:, 0], span[:, 1])
    if found.bad.size:
        return None
    trace, bad = decode(page, span, found)
    return None if bad.size else Batch(trace, file)
