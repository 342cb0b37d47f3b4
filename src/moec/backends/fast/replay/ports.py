"""The aware switch port by port: first come first served at every rank's way in and out, a whole message at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


class Ports:
    """The switch. When a message reaches its target's port is known as it is issued, when it arrives a hop ahead."""

    __slots__ = ("_clock", "_dim", "_known", "_last", "_out", "_passed", "_reached")

    def __init__(self, network: AstraNetwork, clock: Clock) -> None:
        self._clock, self._dim = clock, network.dimensions[0]
        self._out: list[Message | None] = [None] * network.ranks
        self._passed: list[Message | None] = [None] * network.ranks
        self._known: dict[int, tuple[int, int]] = {}
        self._reached: dict[int, list[tuple[Message, Arrived]]] = {}

    def send(self, source: int, row: Sequence[tuple[int, int]], mark: Mark, arrived: Arrived) -> None:
        now, known, last = self._clock.now, self._known, self._out[source]
        left = now if last is None else last.left + last.hold
        if left < now or (left == now and last is not None and precedes((LEFT, last), (MARK, mark))):
            left, last = now, None
        for target, size in row:
            times = known.get(size)
            if times is None:
                times = known[size] = _checked(serialization_ns(size, self._dim), now), hop_ns(size, self._dim)
            hold, hop = times
            last = Message(source, target, hold, hop, left, mark, last)
            self._clock.at(left + hop, self._reach, (last, arrived))
            left += hold
        if row:
            self._out[source] = last

    def _reach(self, which: tuple[Message, Arrived]) -> None:
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
