"""The aware switch port by port: first come first served at every rank's way in and out, a whole message at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from moec.backends.fast.astra.clock import Clock
from moec.backends.fast.astra.link import hop_ns, serialization_ns, unaware_ns
from moec.backends.fast.astra.network import AstraNetwork
from moec.backends.fast.astra.refusal import Stopped, aborts
from moec.backends.fast.replay.lineage import LEFT, MARK, PASSED, REACH, Mark, Message, precedes
from moec.backends.fast.replay.occupancy import Unsure

Arrived = Callable[[int, int, int, Message | None], None]
"""Told of a message's source, target and time of arrival, as soon as that is known, and its history where that is kept."""


class Paths(Protocol):
    """What exchanges send on."""

    def send(self, source: int, row: Sequence[tuple[int, int]], mark: Mark, arrived: Arrived) -> None:
        """Issues messages, target and bytes each, now, in the callback `mark`."""


def paths_of(network: AstraNetwork, clock: Clock) -> Paths | None:
    """The network's own kind; None for an aware ring, where messages share links on their way."""
    if network.congestion == "aware" and network.dimensions[0].topology == "Ring":
        return None
    if network.congestion == "aware" and network.dimensions[0].topology == "Switch":
        return Ports(network, clock)
    return Straight(network, clock)


class Straight:
    """Messages that meet none of other senders: on the unaware network, or on links between all pairs."""

    __slots__ = ("_clock", "_known", "_network", "_until")

    def __init__(self, network: AstraNetwork, clock: Clock) -> None:
        self._network, self._clock = network, clock
        self._known: dict[tuple[int, int, int], int] = {}
        self._until: dict[tuple[int, int], int] = {}

    def send(self, source: int, row: Sequence[tuple[int, int]], mark: Mark, arrived: Arrived) -> None:
        del mark
        now, dim = self._clock.now, self._network.dimensions[0]
        if self._network.congestion == "aware":
            for target, size in row:
                left = max(now, self._until.get((source, target), 0))
                self._until[source, target] = left + _checked(serialization_ns(size, dim), now)
                arrived(source, target, left + hop_ns(size, dim), None)
            return
        for target, size in row:
            time = self._known.get((source, target, size))
            if time is None:
                time = self._known[source, target, size] = unaware_ns(source, target, size, self._network)
            arrived(source, target, now + _checked(time, now), None)


def _checked(ns: int, now: int) -> int:
    """Messages of less than a nanosecond stop the simulator at its start; later their order would matter."""
    if ns:
        return ns
    if now == 0:
        raise Stopped(aborts("a message that takes less than a nanosecond, at the very start"))
    raise Unsure


@dataclass(slots=True, eq=False)
class Row:
    """Messages of one callback that wait to be made, from number `at` on: the next begins to leave at `left`, after `last`.

    `waits`: the first one does so for the last of the row before.
    """

    pairs: Sequence[tuple[int, int]]
    left: int
    last: Message | None
    waits: bool
    mark: Mark
    arrived: Arrived
    at: int = 0


class Ports:
    """The switch. A message is made when the one before it has reached its target's port; it arrives a hop later."""

    __slots__ = ("_clock", "_dim", "_known", "_last", "_out", "_passed", "_reached", "_rows")

    def __init__(self, network: AstraNetwork, clock: Clock) -> None:
        self._clock, self._dim = clock, network.dimensions[0]
        self._rows: list[deque[Row]] = [deque() for _ in range(network.ranks)]
        self._out = [0] * network.ranks
        self._last: list[Message | None] = [None] * network.ranks
        self._passed: list[Message | None] = [None] * network.ranks
        self._known: dict[int, tuple[int, int]] = {}
        self._reached: dict[int, list[tuple[Message, Arrived]]] = {}

    def send(self, source: int, row: Sequence[tuple[int, int]], mark: Mark, arrived: Arrived) -> None:
        if not row:
            return
        now, rows, free, last = self._clock.now, self._rows[source], self._out[source], self._last[source]
        if rows and free == now:
            raise Unsure  # whether the last of them has left would be a matter of order
        waits = free > now or (free == now and last is not None and not precedes((LEFT, last), (MARK, mark)))
        left = free if waits else now
        rows.append(Row(row, left, last if waits and not rows else None, waits, mark, arrived))
        self._out[source] = left + sum(self._times(size)[0] for _, size in row)
        if len(rows) == 1:
            self._make(source)

    def _times(self, size: int) -> tuple[int, int]:
        """For how long a message holds a port, and how long it takes to the other end of a link."""
        times = self._known.get(size)
        if times is None:
            hold = _checked(serialization_ns(size, self._dim), self._clock.now)
            times = self._known[size] = hold, hop_ns(size, self._dim)
        return times

    def _make(self, source: int) -> None:
        """The sender's next message."""
        rows = self._rows[source]
        row = rows[0]
        target, size = row.pairs[row.at]
        hold, hop = self._times(size)
        message = Message(source, target, hold, hop, row.left, row.mark, row.last)
        self._last[source] = row.last = message
        row.left += hold
        row.at += 1
        if row.at == len(row.pairs):
            rows.popleft()
            if rows and rows[0].waits:
                rows[0].last = message
        reached = message.left + hop
        if reached > self._clock.now:
            self._clock.at(reached, self._reach, (message, row.arrived))
        else:
            self._reach((message, row.arrived))

    def _reach(self, which: tuple[Message, Arrived]) -> None:
        if self._rows[which[0].source]:
            self._make(which[0].source)
        if self._clock.alone:
            self._enter(*which)
            return
        if not self._reached:
            self._clock.at(self._clock.now, self._pass, None)
        self._reached.setdefault(which[0].target, []).append(which)

    def _pass(self, _: None) -> None:
        """Everything that reached a port in this nanosecond."""
        for reached in self._reached.values():
            for message, arrived in reached if len(reached) == 1 else _sorted(reached):
                self._enter(message, arrived)
        self._reached.clear()

    def _enter(self, message: Message, arrived: Arrived) -> None:
        """A message reaches its target's port, and passes it when that is free."""
        now, target = self._clock.now, message.target
        ahead = self._passed[target]
        free = -1 if ahead is None else ahead.passing + ahead.hold
        if free > now or (free == now and precedes((REACH, message), (PASSED, ahead))):
            message.passing, message.ahead = free, ahead
        else:
            message.passing = now
        self._passed[target] = message
        arrived(message.source, target, message.passing + message.hop, message)


def _sorted(reached: list[tuple[Message, Arrived]]) -> list[tuple[Message, Arrived]]:
    """In the order of the events; a few, so by insertion."""
    done: list[tuple[Message, Arrived]] = []
    for which in reached:
        place = len(done)
        while place and precedes((REACH, which[0]), (REACH, done[place - 1][0])):
            place -= 1
        done.insert(place, which)
    return done
