"""Many messages at once through aware switches: first come first served at every port in and every port out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.arrays import Ints
from moec.backends.astra.network.custom.issue_order import Sends
from moec.backends.astra.network.custom.port_order import settled
from moec.backends.astra.network.topology import Dim

ABSENT = 1 << 62
"""Sorts behind every message."""


@dataclass(frozen=True, slots=True, eq=False)
class Crossings:
    """What messages `[messages]` do on links, numbered as they are issued.

    `left`: when each enters its row's port in, after the row's start; for how long it holds a link (`held`) and how long
    it takes one (`hop`).
    """

    sends: Sends
    left: Ints
    held: Ints
    hop: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Ports:
    """The messages of `sets` of `n` rows, a switch for each, at its ports out; whatever the rows' starts.

    `rows` that send, and the numbers at which theirs `begin`. `keys` `[sets, n, n]`: by port and row when a message reaches
    the port, after the row's start, above its number. Once each port's are sorted, messages stand at `place` `[messages]`.
    `ports` are those that have any, `first` where each one's begin among them, `queue` `[messages]` which of these it is.
    The last message reaches its port at `latest`, after its row's start; every one holds a link for `shortest` or more,
    all of a port for `busiest` or less.
    """

    crossings: Crossings
    rows: Ints
    begin: Ints
    keys: Ints
    place: Ints
    ports: Ints
    first: Ints
    queue: Ints
    latest: int
    shortest: int
    busiest: int

    def ends(self, starts: Ints) -> Ints | None:
        """When each row has sent and received everything, as its `starts` `[sets, n]`; 1 ns later if it sends nothing.

        None where this is not exact: some message holds a link for less than a nanosecond, so that several pass a port in
        one; or times are beyond what keys can hold, which is 2^45 ns or ten hours with 30,000 messages.
        """
        last = int(np.ptp(starts)) + self.latest + 2 * self.busiest
        if not self.shortest or last << len(self.place).bit_length() >= ABSENT >> 1:
            return None
        done = starts.ravel() + 1
        if len(self.place):
            number, arrival = self.arrivals(starts)
            by_number = np.empty_like(arrival)
            by_number[number] = arrival
            done[self.rows] = np.maximum.reduceat(by_number, self.begin)
            done[self.ports] = np.maximum(done[self.ports], np.maximum.reduceat(arrival, self.first))
        return done.reshape(starts.shape)

    def arrivals(self, starts: Ints) -> tuple[Ints, Ints]:
        """The messages' numbers, port by port in the order in which they are served, and when each arrives.

        Of two that reach a port in the same nanosecond the one goes first whose sender's port was free first.
        """
        bits, begin = len(self.place).bit_length(), int(starts.min())
        late = starts - begin
        keys = self.keys + (late << bits)[:, None, :]
        keys.sort(axis=-1)
        served = keys.ravel().take(self.place)
        reached, number = served >> bits, served & ((1 << bits) - 1)
        self._settle(number, reached, late)
        held = self.crossings.held.take(number)
        # A later port's messages are lifted above those of the one before, so that one running maximum does for all.
        lift = self.queue * (int(late.max()) + self.latest + 2 * self.busiest + 1)
        lift += held
        lift -= np.cumsum(held)
        reached += lift
        arrival = np.maximum.accumulate(reached)
        arrival -= lift
        arrival += self.crossings.hop.take(number)
        arrival += begin
        return number, arrival

    def _settle(self, number: Ints, reached: Ints, late: Ints) -> None:
        """Puts those in order that reach a port in the same nanosecond."""
        after = np.zeros(len(number) + 1, dtype=bool)
        np.equal(reached[1:], reached[:-1], out=after[1:-1])
        after[self.first] = False
        if not after.any():
            return
        where = np.flatnonzero(after[1:] | after[:-1])
        group = np.cumsum(~after[where])
        sent = self.crossings
        number[where] = settled(number[where], group, sent.left, sent.left + np.repeat(late, sent.sends.sent))


def ports_of(pairs: Ints, sends: Sends, dim: Dim) -> list[Ports]:
    """Of exchanges `[exchanges, sets, n, n]` whose messages are `sends`, one exchange after the other."""
    exchanges, sets = pairs.shape[:2]
    times = pairs.reshape(-1).take(sends.cell) / dim.rate
    held, hop = times.astype(np.int64), (dim.latency + times).astype(np.int64)
    passed = np.concatenate(([0], np.cumsum(held)))
    left = passed[:-1] - np.repeat(passed[np.cumsum(sends.sent) - sends.sent], sends.sent)
    result, first = [], 0
    for each in sends.split(exchanges):
        here = slice(first, first + len(each.cell))
        result.append(_ports(Crossings(each, left[here], held[here], hop[here]), sets))
        first = here.stop
    return result


def _ports(messages: Crossings, sets: int) -> Ports:
    """Of one exchange."""
    sends, n = messages.sends, messages.sends.n
    number = np.arange(len(sends.cell))
    reached = messages.left + messages.hop
    keys = np.full((sets, n, n), ABSENT, dtype=np.int64)
    keys.reshape(-1)[_turned(sends, sets)] = (reached << len(number).bit_length()) | number
    rows, ports = np.flatnonzero(sends.sent), np.flatnonzero(sends.received)
    sent, received = sends.sent[rows], sends.received[ports]
    first = np.cumsum(received) - received
    place = np.repeat(ports * n - first, received) + number
    queue = np.repeat(np.arange(len(ports)), received)
    latest, shortest = int(reached.max(initial=0)), int(messages.held.min(initial=1))
    most = n * int(messages.held.max(initial=0))
    return Ports(messages, rows, np.cumsum(sent) - sent, keys, place, ports, first, queue, latest, shortest, most)


def _turned(sends: Sends, sets: int) -> Ints:
    """The messages' places in the transposed sets: `(set · n + to) · n + member` from `(set · n + member) · n + to`."""
    n = sends.n
    set_, member = np.divmod(np.arange(sets * n), n)
    turned: Ints = sends.cell * n - np.repeat(((set_ * n + member) * n - set_ * n) * n - member, sends.sent)
    return turned
