"""What chunks of a pool's tokens do to very many cells: counted by what occurs, not by what might."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from moec.arrays import Ints

MANY_CELLS = 1024
"""Beyond so many cells, sorting the tokens' choices is quicker than a counter for every cell and chunk."""


def observe(
    slot: Ints, per_cell: int, cells: int, sizes: Sequence[int]
) -> tuple[list[tuple[Ints, Ints, Ints, Ints]], Ints]:
    """For chunks of each of `sizes` tokens, `[chunks]` each: maxima over cells of rows, hits and active slots, and active
    slots in all; and the cells that each token reaches, as token · cells + cell, ascending.

    `slot` `[tokens, top_k]`; slot s is in cell s // `per_cell`.
    """
    token = np.arange(len(slot))[:, None]
    pairs = np.sort((token * cells + slot // per_cell).ravel())
    reach = _distinct(pairs)
    found = []
    for size in sizes:
        chunks = len(slot) // size
        active = _distinct(np.sort((token // size * (cells * per_cell) + slot).ravel())) // per_cell
        rows, hits = (_most_frequent(np.sort(_regrouped(key, cells, size)), cells, chunks) for key in (pairs, reach))
        filled = np.bincount(active // cells, minlength=chunks)
        found.append((rows, hits, _most_frequent(active, cells, chunks), filled))
    return found, reach


def _regrouped(key: Ints, cells: int, size: int) -> Ints:
    """From token · cells + cell to chunk · cells + cell."""
    token = key // cells
    grouped: Ints = token // size * cells + (key - token * cells)
    return grouped


def _distinct(ordered: Ints) -> Ints:
    first = np.ones(len(ordered), dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first]


def _most_frequent(ordered: Ints, cells: int, chunks: int) -> Ints:
    """How often the most frequent cell of each chunk occurs; every chunk has one."""
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    count = np.diff(np.append(starts, len(ordered)))
    chunk = ordered[starts] // cells
    most: Ints = np.maximum.reduceat(count, np.searchsorted(chunk, np.arange(chunks)))
    return most
