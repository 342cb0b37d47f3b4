"""Custom sets of sends, all in flight at once: when each member is done, for any repeat of an exchange and all its groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from moec.arrays import Ints
from moec.backends.astra.network.custom.compiled_queues import Queues, queues_of
from moec.backends.astra.network.custom.free_flights import flights_of
from moec.backends.astra.network.custom.issue_order import Sends, as_written
from moec.backends.astra.network.custom.switch import Ports, ports_of
from moec.backends.astra.network.events.clock import Clock
from moec.backends.astra.network.events.queues import COMPILED
from moec.backends.astra.network.events.wires import wires_of
from moec.backends.astra.network.link import serialization_ns
from moec.backends.astra.network.refusal import Refusal, aborts, hangs
from moec.backends.astra.network.topology import AstraNetwork

TOGETHER = 1 << 16
"""Pairs of ranks that are prepared at once, or one repeat of the exchange."""


class Prepared(Protocol):
    """The sets of one repeat, whatever their members' starts."""

    def ends(self, starts: Ints) -> Ints:
        """When each member has sent and received everything, as its `starts` `[sets, n]`; 1 ns later if it sends nothing."""


class CustomSets:
    """Sets `[repeats, sets, n, n]` of whole bytes, diagonals zero, between the global ranks `members` `[sets, n]`.

    One repeat, or one set, may stand for all. The sets of a repeat share no link. Repeats are prepared some at a time, when
    they are first asked for.
    """

    __slots__ = ("_first", "_members", "_network", "_pairs", "_prepared", "_refused")

    def __init__(self, pairs: Ints, network: AstraNetwork, members: Ints) -> None:
        self._network, self._members, self._refused = network, members, refusal(network)
        self._pairs = np.broadcast_to(pairs, (len(pairs), len(members), *pairs.shape[2:]))
        self._prepared: list[Prepared] = []
        self._first = 0

    def ends(self, repeat: int, starts: Ints) -> Ints | Refusal:
        """Absolute nanoseconds at which each member is done, as its `starts` `[sets, n]` > 0."""
        return self._refused or self._of(min(repeat, len(self._pairs) - 1)).ends(starts)

    def _of(self, repeat: int) -> Prepared:
        if not 0 <= repeat - self._first < len(self._prepared):
            count = max(1, TOGETHER // self._pairs[0].size)
            self._first = repeat - repeat % count
            some = self._pairs[self._first : self._first + count]
            self._prepared = prepared(some, self._network, self._members)
        return self._prepared[repeat - self._first]


def refusal(network: AstraNetwork) -> Refusal | None:
    """Why no custom set ends on a network; in more than one piece the simulator waits for pieces that it never starts."""
    if network.splits > 1:
        return network.refusal() or hangs("a custom set in several pieces never ends: only one of them is started")
    return network.refusal()


def early(pairs: Ints, starts: Ints, network: AstraNetwork) -> Refusal | None:
    """What stops a set `[n, n]` some of whose `starts` `[n]` are 0."""
    if network.congestion == "unaware" or (starts > 0).all():
        return None
    smallest = pairs[(pairs > 0) & (starts == 0)[:, None]].min(initial=np.iinfo(np.int64).max)
    if serialization_ns(int(smallest), network.dimensions[0]) == 0:
        return aborts("a message that holds its link for less than a nanosecond, at the very start")
    return None


def prepared(pairs: Ints, network: AstraNetwork, members: Ints, sends: Sends | None = None) -> list[Prepared]:
    """Each of the exchanges `[exchanges, sets, n, n]`; messages of the only one in the order of `sends`, or of moec's files."""
    if network.congestion == "unaware" or network.dimensions[0].topology == "FullyConnected":
        return [*flights_of(pairs, members, network)]  # no message waits for another: the order does not count
    dim, wired = network.dimensions[0], [Wired(of, sends, members, network) for of in pairs]
    if dim.topology == "Ring":
        return [*wired]
    if COMPILED and sends is None:
        ports: Sequence[Ports | Queues] = queues_of(pairs, dim)
    else:
        ports = ports_of(pairs, as_written(pairs) if sends is None else sends, dim)
    return [Switched(*both) for both in zip(ports, wired, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Wired:
    """Sets `pairs` `[sets, n, n]`, simulated message by message and link by link; `sends` as in `prepared`."""

    pairs: Ints
    sends: Sends | None
    members: Ints
    network: AstraNetwork

    def ends(self, starts: Ints) -> Ints:
        """See `Prepared`."""
        messages = self.sends or as_written(self.pairs)
        done: Ints = starts + (messages.sent.reshape(starts.shape) == 0)
        sets = zip(done, self.pairs, messages.split(len(starts)), self.members.tolist(), starts.tolist(), strict=True)
        for one, pairs, sends, members, begin in sets:
            arrivals = simulated(pairs, sends, members, begin, self.network)
            np.maximum.at(one, sends.row, arrivals)
            np.maximum.at(one, sends.to, arrivals)
        return done


@dataclass(frozen=True, slots=True, eq=False)
class Switched:
    """Sets on switches, as sorted queues where these are exact."""

    ports: Ports | Queues
    wired: Wired

    def ends(self, starts: Ints) -> Ints:
        """See `Prepared`."""
        ends = self.ports.ends(starts)
        return self.wired.ends(starts) if ends is None else ends


def simulated(pairs: Ints, sends: Sends, members: Sequence[int], starts: Sequence[int], network: AstraNetwork) -> Ints:
    """When each message of one set `[n, n]` arrives."""
    clock = Clock()
    wires = wires_of(network, clock)
    result = np.zeros(len(sends.cell), dtype=np.int64)
    last, to = np.cumsum(sends.sent).tolist(), sends.to.tolist()

    def arrived(number: int) -> None:
        result[number] = clock.now

    def issue(row: int) -> None:
        for number in range(last[row - 1] if row else 0, last[row]):
            peer = to[number]
            wires.send(members[row], members[peer], int(pairs[row, peer]), arrived, number)

    for row, start in enumerate(starts):
        if start == 0:
            issue(row)
        else:
            clock.at(start, issue, row)
    clock.run()
    return result
