"""The order in which the simulator issues the sends of a custom set: that of its hash tables, not that of the file."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

BUCKETS = (13, 29, 59, 127, 257, 541, 1109, 2357, 5087, 10273, 20753, 42043, 85229, 172933)
"""Sizes that GNU libstdc++'s hash tables go through; a table grows when it holds as many keys as buckets."""


def table_order(keys: Iterable[int]) -> list[int]:
    """How an `unordered_set` of whole numbers is walked through after inserting `keys` one by one.

    A key goes to the front of the list, or of its bucket if that holds keys already; growing inserts everything anew.
    """
    buckets: dict[int, list[int]] = {}
    size, sizes = 0, iter(BUCKETS)
    for count, key in enumerate(keys):
        if count == size:
            size = next(sizes)
            grown: dict[int, list[int]] = {}
            for old in _walk(buckets):
                grown.setdefault(old % size, []).append(old)
            buckets = grown
        buckets.setdefault(key % size, []).append(key)
    return _walk(buckets)


def _walk(buckets: dict[int, list[int]]) -> list[int]:
    return [key for bucket in reversed(buckets.values()) for key in reversed(bucket)]


@lru_cache(maxsize=4096)
def issue_order(nodes: int) -> tuple[int, ...]:
    """In which order free nodes with the numbers 1 … `nodes` are issued: through a map of parents and a set of free ones."""
    return tuple(table_order(table_order(range(1, nodes + 1))))


def as_written(matrix: Ints) -> Ints:
    """Destinations of each row in the order of issue, −1 where there is none more, `[n, most]`; the diagonal is ignored.

    The files are as moec writes them: rank r's sends to r + 1 and on round to r − 1, then its receives, numbered from 1.
    """
    around = rotating(len(matrix))
    present = np.take_along_axis(matrix, around, axis=1) > 0
    sent, received = present.sum(axis=1), np.count_nonzero(matrix * ~np.eye(len(matrix), dtype=bool), axis=0)
    order = np.full((len(matrix), max(1, int(sent.max(initial=0)))), -1, dtype=np.int64)
    for out, into in dict.fromkeys(zip(sent.tolist(), received.tolist(), strict=True)):
        rows = np.flatnonzero((sent == out) & (received == into))
        peers = around[rows][present[rows]].reshape(len(rows), out)
        order[rows, :out] = peers[:, _sends_of(out, into)]
    return order


@lru_cache(maxsize=4096)
def _sends_of(out: int, into: int) -> Ints:
    """Which of a rank's sends go first, second …, by their places in its file; receives are issued among them."""
    return np.array([i - 1 for i in issue_order(out + into) if i <= out], dtype=np.int64)


def by_destination(matrix: Ints) -> Ints:
    """As `as_written`, in the order of the destinations: what sends in the trace itself do."""
    order = np.full((len(matrix), max(1, int(np.count_nonzero(matrix, axis=1).max(initial=0)))), -1, dtype=np.int64)
    for row, sizes in enumerate(matrix):
        peers = np.flatnonzero(sizes)
        order[row, : len(peers)] = peers
    return order


def rotating(n: int) -> Ints:
    """Row r sends to r + 1, r + 2, …: no two rows to the same destination at once."""
    return (np.arange(n)[:, None] + np.arange(1, n)) % n
