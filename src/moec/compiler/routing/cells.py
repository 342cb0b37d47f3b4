"""Where drawn tokens go: from chosen experts to slots and cells, replicas in turn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moec.compiler.placement.slots import Slots

Ints = NDArray[np.int64]


def slots_of(chosen: NDArray[np.int16], slots: Slots, layer: int, turn: Ints) -> Ints:
    """The slot of every token–expert pair, `[tokens, top_k]`, for `chosen` of that shape.

    The replicas of an expert take turns: `turn` (broadcasts to `chosen`) modulo their number says which it is. It is
    the token's number plus an offset of the expert.
    """
    table = slots.of_expert(layer)
    if table.shape[1] == 1:
        return table[:, 0][chosen]
    replicas = (table >= 0).sum(axis=1)
    return table[chosen, turn % replicas[chosen]]


def counts_of(slot: Ints, slots: Slots, source: Ints, sources: int) -> tuple[Ints, Ints, Ints]:
    """Pairs per slot `[slots]`, and tokens and pairs from each source to each cell, both `[sources, cells]`.

    A token counts once for a cell that holds several of its experts. `source` `[tokens]`.
    """
    cells = slots.cells
    per_slot = np.bincount(slot.ravel(), minlength=slots.expert.shape[1])
    cell = np.sort((slot // slots.per_cell).astype(np.int16), axis=1)
    key = (source[:, None] * cells).astype(np.int32) + cell
    visits = np.bincount(key.ravel(), minlength=sources * cells)
    again = cell[:, 1:] == cell[:, :-1]
    repeats = np.bincount(key[:, 1:][again], minlength=sources * cells)
    return per_slot, (visits - repeats).reshape(sources, cells), visits.reshape(sources, cells)
