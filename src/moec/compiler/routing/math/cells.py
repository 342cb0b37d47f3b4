"""Where drawn tokens go: from chosen experts to slots, replicas included, and to cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Ints
from moec.compiler.placement.slots import Slots

Words = NDArray[np.uint64]


def slots_of(chosen: NDArray[np.int16], slots: Slots, layer: int, token: Ints, key: Words) -> Ints:
    """The slot of every token–expert pair, `[…, top_k]`, for `chosen` of that shape.

    The token's number decides which replica of an expert it takes: scrambled together with a `key` of the expert, so
    that every replica is as likely and the replicas of two experts do not go together (as they would in plain turns).
    `token`, `key` broadcast to `chosen`.
    """
    table = slots.of_expert(layer)
    if table.shape[1] == 1:
        only: Ints = table[:, 0][chosen]
        return only
    replicas = (table >= 0).sum(axis=1)[chosen]
    turn = (_scramble(token.astype(np.uint64), key) >> np.uint64(33)).astype(np.int64) % replicas
    slot: Ints = table[chosen, turn]
    return slot


def _scramble(number: Words, key: Words) -> Words:
    """Well mixed 64-bit words: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = number * np.uint64(0x9E3779B97F4A7C15) + key
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def expert_keys(rng: np.random.Generator, shape: tuple[int, ...]) -> Words:
    """Random keys for `slots_of`."""
    return rng.integers(0, 1 << 63, shape, dtype=np.uint64)


def counts_of(slot: Ints, slots: Slots, source: Ints, sources: int, nodes: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Pairs per slot `[slots]`; tokens and pairs from each source to each cell, both `[sources, cells]`; tokens to each
    node `[sources, nodes]`, which holds equally many cells.

    A token counts once for a cell or node that holds several of its experts. `source` `[tokens]`.
    """
    cells = slots.cells
    per_slot = np.bincount(slot.ravel(), minlength=slots.expert.shape[1])
    cell = np.sort((slot // slots.per_cell).astype(np.int16), axis=1)
    hits, visits = _distinct(cell, source, sources, cells)
    if not nodes:
        return per_slot, hits, visits, np.zeros((sources, 0), dtype=np.int64)
    return per_slot, hits, visits, _distinct(cell // np.int16(cells // nodes), source, sources, nodes)[0]


def _distinct(place: NDArray[np.int16], source: Ints, sources: int, places: int) -> tuple[Ints, Ints]:
    """Tokens that reach each place, and how often: both `[sources, places]`, for `place` `[tokens, top_k]`, ascending."""
    key = (source[:, None] * places).astype(np.int32) + place
    visits = np.bincount(key.ravel(), minlength=sources * places)
    again = place[:, 1:] == place[:, :-1]
    repeats = np.bincount(key[:, 1:][again], minlength=sources * places)
    return (visits - repeats).reshape(sources, places), visits.reshape(sources, places)
