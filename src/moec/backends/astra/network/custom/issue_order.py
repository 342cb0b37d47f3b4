"""The order in which the simulator issues the sends of a custom set: that of its hash tables, not that of the file."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from moec.arrays import Ints

BUCKETS = (13, 29, 59, 127, 257, 541, 1109, 2357, 5087, 10273, 20753, 42043, 85229, 172933)
"""Sizes that GNU libstdc++'s hash tables go through; a table grows when it holds as many keys as buckets."""
TOGETHER = 64
"""Tables that are filled at once: as many numbers of nodes in a row."""


@dataclass(frozen=True, slots=True, eq=False)
class Sends:
    """The messages of sets `[sets, n, n]` row by row as issued: `cell` `[messages]`, places in the flat array.

    `sent` and `received` `[sets · n]` of each row.
    """

    n: int
    sent: Ints
    received: Ints
    cell: Ints

    @property
    def row(self) -> Ints:
        """Of each message, through all sets."""
        return np.repeat(np.arange(len(self.sent)), self.sent)

    @property
    def to(self) -> Ints:
        """Each one's destination in its set."""
        return self.cell % self.n

    def split(self, parts: int) -> list[Sends]:
        """The messages of as many rows each, counted from 0 in each part."""
        if parts == 1:
            return [self]
        sent, received = self.sent.reshape(parts, -1), self.received.reshape(parts, -1)
        last = np.cumsum(sent.sum(axis=1)).tolist()
        size = sent.shape[1] * self.n
        bounds = enumerate(zip([0, *last[:-1]], last, strict=True))
        return [Sends(self.n, sent[i], received[i], self.cell[a:b] - i * size) for i, (a, b) in bounds]

    def padded(self) -> Ints:
        """Destinations `[rows, most]`, −1 where there is none more."""
        first = np.cumsum(self.sent) - self.sent
        order = np.full((len(self.sent), max(1, int(self.sent.max(initial=0)))), -1, dtype=np.int64)
        order[self.row, np.arange(len(self.cell)) - np.repeat(first, self.sent)] = self.to
        return order


def as_listed(order: Ints) -> Sends:
    """The messages of one set to destinations `[n, k]` in order, −1 where there is none."""
    n = len(order)
    row, column = np.nonzero(order >= 0)
    to = order[row, column]
    return Sends(n, np.bincount(row, minlength=n), np.bincount(to, minlength=n), row * n + to)


def as_written(pairs: Ints) -> Sends:
    """The messages of sets `[…, n, n]`, a row for each member of each; the diagonals are zero.

    The files are as moec writes them: rank r's sends to r + 1 and on round to r − 1, then its receives, numbered from 1.
    """
    n = pairs.shape[-1]
    there = (pairs > 0).reshape(-1, n, n)
    received = there.sum(axis=1, dtype=np.int32).ravel().astype(np.int64)
    found = np.flatnonzero(there)
    rows = np.arange(len(received) + 1)
    bounds = np.searchsorted(found, rows * n)
    sent = np.diff(bounds)
    turn = np.searchsorted(found, rows[:-1] * n + rows[:-1] % n)  # the first message to a later member
    place = _sends_among(sent, received) + np.repeat(turn - 1, sent)
    place -= (place >= np.repeat(bounds[1:], sent)) * np.repeat(sent, sent)
    return Sends(n, sent, received, found.take(place))


def _sends_among(sent: Ints, received: Ints) -> Ints:
    """Row by row which of its sends (counted from 1) go first, second …; receives are issued among them."""
    nodes = sent + received
    issued = np.concatenate([*map(issue_order, nodes.tolist())])
    chosen: Ints = issued.compress(issued <= np.repeat(sent, nodes))
    return chosen


@lru_cache(maxsize=4096)
def issue_order(nodes: int) -> Ints:
    """In which order free nodes with the numbers 1 … `nodes` are issued: through a map of parents and a set of free ones."""
    if nodes == 0:
        return np.zeros(0, dtype=np.int64)
    step = bisect_left(BUCKETS, nodes)
    low = BUCKETS[step - 1] if step else 0
    fewest = nodes - (nodes - low - 1) % TOGETHER
    order: Ints = _issue_orders(step, fewest)[nodes - fewest][-nodes:]
    return order


@lru_cache(maxsize=256)
def _issue_orders(step: int, fewest: int) -> Ints:
    """`issue_order` of up to `TOGETHER` numbers of nodes from `fewest`, a row each, padded in front.

    The numbers are such that the tables end with `BUCKETS[step]` buckets. The set of free nodes is filled in the order
    in which the map of parents is walked through, and inserted anew, in the order of its own walk, when it grows.
    """
    most = min(BUCKETS[step], fewest + TOGETHER - 1)
    keys = np.zeros((most - fewest + 1, most), dtype=np.int64)
    for row, nodes in enumerate(range(fewest, most + 1)):
        keys[row, :nodes] = _map_order(nodes)
    walked, done = keys[:, :0], 0
    for size in BUCKETS[: step + 1]:
        walked = _walked(np.concatenate((walked, keys[:, done:size]), axis=1), size)
        done = size
    return walked


def _map_order(nodes: int) -> list[int]:
    """How a table is walked through after inserting 1 … `nodes`: none shares a bucket, so the newest comes first."""
    walk: list[int] = []
    done = 0
    for size in BUCKETS:
        walk = [*range(min(nodes, size), done, -1), *reversed(walk)]
        if nodes <= size:
            break
        done = size
    return walk


def _walked(keys: Ints, size: int) -> Ints:
    """How tables of `size` buckets are walked through after inserting `keys` `[tables, k]` (0: none, at the end).

    A key goes to the front of the list, or of its bucket if that holds keys already: the reverse of the keys in order of
    their buckets' first ones.
    """
    tables, count = keys.shape
    place = np.arange(count)
    bucket = np.where(keys > 0, keys % size, size + place) + np.arange(tables)[:, None] * (size + count)
    first = np.zeros(tables * (size + count), dtype=np.int64)
    first[bucket[:, ::-1].ravel()] = np.tile(place[::-1], tables)
    order = first[bucket] * count + place
    order.sort(axis=1)
    return np.take_along_axis(keys, order % count, axis=1)[:, ::-1]


def by_destination(pairs: Ints) -> Ints:
    """Destinations of each row in ascending order, −1 where there is none more, `[n, most]`: what sends in the trace do."""
    destinations = np.where(pairs > 0, np.arange(len(pairs)), -1)
    return as_listed(destinations).padded()


def rotating(n: int) -> Ints:
    """Row r sends to r + 1, r + 2, …: no two rows to the same destination at once."""
    return (np.arange(n)[:, None] + np.arange(1, n)) % n
