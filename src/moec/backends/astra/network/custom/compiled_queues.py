"""Custom sets on aware switches by the compiled queues, `queues.py`: as `switch.py` in everything but speed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.arrays import Ints
from moec.backends.astra.network.custom.issue_order import issue_order
from moec.backends.astra.network.custom.switch import ABSENT
from moec.backends.astra.network.events import queues
from moec.backends.astra.network.topology import Dim

MOST_KEPT = 1 << 22
"""Nodes of all orders that are kept: 32 MB, enough for any number of up to 2,900 nodes."""


@dataclass(frozen=True, slots=True, eq=False)
class Queues:
    """The messages of one exchange, `sets` of `n` rows each, whatever the rows' starts.

    `keys` `[sets, n, n]`: by port and row when a message reaches the port, after the row's start, above the `bits` of its
    number; the last does so at `latest`. `received` `[sets · n]` by port. By number `[messages]`, of those of like exchanges,
    too: the `row`, when a message enters the row's port in, after the row's start (`left`), how long it holds a link (`held`;
    `shortest` or more) and takes one (`hop`).
    """

    keys: Ints
    bits: int
    latest: int
    shortest: int
    received: Ints
    row: Ints
    left: Ints
    held: Ints
    hop: Ints

    def ends(self, starts: Ints) -> Ints | None:
        """See `switch.Ports`."""
        begin, n = int(starts.min()), starts.shape[-1]
        late = starts - begin
        if not self.shortest or int(late.max()) + self.latest << self.bits >= ABSENT >> 1:
            return None
        keys = self.keys + (late << self.bits)[:, None, :]
        keys.sort(axis=-1)
        late = late.reshape(-1)
        ends = late + 1
        messages = self.row, self.left, self.held, self.hop
        queues.serve(keys.reshape(-1), n, self.bits, self.received, *messages, late, ends)
        ends += begin
        return ends.reshape(starts.shape)


def queues_of(pairs: Ints, dim: Dim) -> list[Queues]:
    """Of exchanges `[exchanges, sets, n, n]` whose messages are issued in the order of moec's files."""
    exchanges, sets, n, _ = pairs.shape
    flat, rows = pairs.reshape(-1), sets * n
    sent, received = np.zeros((2, exchanges * rows), dtype=np.int64)
    queues.count(flat, n, sent, received)
    count = int(sent.sum())
    bits = count.bit_length()
    keys = np.full(pairs.shape, ABSENT, dtype=np.int64)
    row, left, held, hop = messages = np.empty((4, count), dtype=np.int64)
    orders = ORDERS.of(sent + received)
    bounds = queues.issue(
        flat, n, rows, dim.rate, dim.latency, sent, received, *orders, bits, keys.reshape(-1), *messages
    )
    ports = zip(keys, received.reshape(exchanges, rows), strict=True)
    return [Queues(each, bits, *bounds, into, row, left, held, hop) for each, into in ports]


class Orders:
    """`issue_order` of each number of nodes that was asked for, one after the other: that of k begins at `first[k]`."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: tuple[Ints, Ints] = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)

    def of(self, nodes: Ints) -> tuple[Ints, Ints]:
        """`first` (−1 where it was not asked for) and the orders, among them those of all `nodes`."""
        first, orders = self._kept
        most = int(nodes.max(initial=0))
        if most >= len(first):
            first = np.append(first, np.full(most + 1 - len(first), -1))
        missing = first.take(nodes) < 0
        if not missing.any():
            return first, orders
        new = _distinct(nodes[missing])
        if len(orders) + int(new.sum()) > MOST_KEPT:
            first, orders, new = np.full_like(first, -1), orders[:0], _distinct(nodes)
        first = first.copy()
        first[new] = len(orders) + np.cumsum(new) - new
        self._kept = first, np.concatenate((orders, *map(issue_order, new.tolist())))
        return self._kept


ORDERS = Orders()


def _distinct(numbers: Ints) -> Ints:
    """As `np.unique`, which imports numpy.ma."""
    return np.array(sorted(set(numbers.tolist())), dtype=np.int64)
