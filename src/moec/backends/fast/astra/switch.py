"""Many messages at once through the aware switch: first come first served at every port in and every port out."""

from __future__ import annotations

from functools import cmp_to_key, partial

import numpy as np
from numpy.typing import NDArray

from moec.backends.fast.astra.network import Dim

Ints = NDArray[np.int64]

FEW = 50
"""At most one message in so many is compared by itself; with more, all are sorted in rounds."""


def switch_arrivals(sizes: Ints, to: Ints, starts: Ints, dim: Dim) -> Ints:
    """When each message arrives, `[n, k]`; row r issues messages of `sizes[r]` to `to[r]` at `starts[r]`, −1: none.

    Exact where every message holds a link for a nanosecond or more: of two that reach a port in the same nanosecond the
    one goes first whose sender's port was free first.
    """
    real = to >= 0
    serial = np.where(real, (sizes / dim.rate).astype(np.int64), 0)
    hop = np.where(real, (dim.latency + sizes / dim.rate).astype(np.int64), 0)
    left = starts[:, None] + np.cumsum(serial, axis=1) - serial
    row, column = np.nonzero(real)
    order = _served(left, (left + hop)[real], to[real], row, column)
    reached = (left + hop)[real]
    port, first = to[real][order], np.ones(len(order), dtype=bool)
    first[1:] = port[1:] != port[:-1]
    place = np.arange(len(order)) - np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    queue = np.cumsum(first) - 1
    shape = (int(first.sum()), int(place.max(initial=0)) + 1)
    arrivals, held = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    arrivals[queue, place], held[queue, place] = reached[order], serial[real][order]
    before = np.cumsum(held, axis=1) - held
    begun = before + np.maximum.accumulate(arrivals - before, axis=1)
    result = np.zeros(to.shape, dtype=np.int64)
    result[row[order], column[order]] = begun[queue, place] + hop[real][order]
    return result


def _served(left: Ints, reached: Ints, port: Ints, row: Ints, column: Ints) -> Ints:
    """The messages port by port in the order in which they are served.

    Few messages reach a port in the same nanosecond as another when sizes differ: those alone are looked into one by one.
    """
    order = np.lexsort((reached, port))
    again = (np.diff(port[order]) == 0) & (np.diff(reached[order]) == 0)
    tied = np.flatnonzero(again)
    if len(tied) > len(order) // FEW:
        return np.lexsort((_asked(left, row, column), reached, port))
    entered = left[row, column]
    earlier = cmp_to_key(partial(_earlier, entered, row))
    for group in np.split(tied, np.flatnonzero(np.diff(tied) > 1) + 1) if len(tied) else []:
        where = slice(group[0], group[-1] + 2)
        order[where] = sorted(order[where].tolist(), key=earlier)
    return order


def _earlier(entered: Ints, row: Ints, a: int, b: int) -> int:
    """Negative when message `a` entered its sender's port before `b` in the order of events, see `_asked`."""
    while entered[a] == entered[b]:
        first = [i == 0 or row[i - 1] != row[i] for i in (a, b)]
        if any(first):
            return int(row[a] - row[b]) if all(first) else 1 - 2 * int(first[0])
        a, b = a - 1, b - 1
    return int(entered[a] - entered[b])


def _asked(left: Ints, row: Ints, column: Ints) -> Ints:
    """The rank of each message in the order of events at which messages enter their sender's port.

    Of two in one nanosecond it is the one whose predecessor at the same port entered first; the first ones go by row.
    """
    entered = left[row, column]
    before = np.arange(-1, len(row) - 1)  # row by row, so the predecessor stands just ahead
    before[np.flatnonzero(np.diff(row, prepend=-1))] = -1
    place = np.empty(len(row), dtype=np.int64)
    place[np.lexsort((column, row, entered))] = np.arange(len(row))
    while True:
        earlier = np.where(before >= 0, place[before], row - len(left))
        refined = np.empty_like(place)
        refined[np.lexsort((earlier, entered))] = np.arange(len(row))
        if (refined == place).all():
            return place
        place = refined
