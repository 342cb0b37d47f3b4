"""Messages on the network: fixed flights (unaware), or store-and-forward over links with first-come queues (aware)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from moec.backends.fast.astra.clock import Call, Clock
from moec.backends.fast.astra.link import hop_ns, serialization_ns, unaware_ns
from moec.backends.fast.astra.network import AstraNetwork, Dim

Route = Callable[[int, int, Dim], tuple[int, ...]]


class Wires(Protocol):
    """What carries messages. `loops`: also those of a rank to itself."""

    loops: bool

    def send(self, src: int, dst: int, size: int, call: Call, argument: Any) -> None:
        """Runs `call(argument)` when the message has arrived."""


class Flights:
    """The unaware network."""

    __slots__ = ("_clock", "_known", "_network", "loops")

    def __init__(self, network: AstraNetwork, clock: Clock) -> None:
        self._network, self._clock, self.loops = network, clock, False
        self._known: dict[tuple[int, int, int], int] = {}

    def send(self, src: int, dst: int, size: int, call: Call, argument: Any) -> None:
        time = self._known.get((src, dst, size))
        if time is None:
            time = self._known[src, dst, size] = unaware_ns(src, dst, size, self._network)
        self._clock.at(self._clock.now + time, call, argument)


class _Message:
    __slots__ = ("argument", "call", "route", "size", "step")

    def __init__(self, route: tuple[int, ...], size: int, call: Call, argument: Any) -> None:
        self.route, self.size, self.call, self.argument, self.step = route, size, call, argument, 0


class Links:
    """The aware network: every link carries one message at a time, in the order of arrival, whole hop by whole hop."""

    __slots__ = ("_busy", "_clock", "_dim", "_known", "_route", "_waiting", "loops")

    def __init__(self, network: AstraNetwork, clock: Clock, route: Route | None = None) -> None:
        self._dim, self._clock, self._route = network.dimensions[0], clock, route or links_of
        self.loops = self._dim.topology == "Switch"
        self._busy: set[int] = set()
        self._waiting: dict[int, deque[_Message]] = {}
        self._known: dict[int, tuple[int, int]] = {}

    def send(self, src: int, dst: int, size: int, call: Call, argument: Any) -> None:
        self._enter(_Message(self._route(src, dst, self._dim), size, call, argument))

    def _enter(self, message: _Message) -> None:
        link = message.route[message.step]
        if link in self._busy:
            self._waiting.setdefault(link, deque()).append(message)
        else:
            self._start(link, message)

    def _start(self, link: int, message: _Message) -> None:
        self._busy.add(link)
        times = self._known.get(message.size)
        if times is None:
            size = message.size
            times = self._known[size] = (hop_ns(size, self._dim), serialization_ns(size, self._dim))
        now = self._clock.now
        self._clock.at(now + times[0], self._leave, message)
        self._clock.at(now + times[1], self._free, link)

    def _leave(self, message: _Message) -> None:
        message.step += 1
        if message.step == len(message.route):
            message.call(message.argument)
        else:
            self._enter(message)

    def _free(self, link: int) -> None:
        self._busy.discard(link)
        waiting = self._waiting.get(link)
        if waiting:
            self._start(link, waiting.popleft())


def links_of(src: int, dst: int, dim: Dim) -> tuple[int, ...]:
    """The links from `src` to `dst`; a ring's shorter way, clockwise when both are as short."""
    n = dim.npus
    if dim.topology == "FullyConnected":
        return (src * n + dst,)
    if dim.topology == "Switch":
        return (src, n + dst)
    clockwise = (dst - src) % n
    if n - clockwise < clockwise:
        return tuple(n + (src - k) % n for k in range(n - clockwise))
    return tuple((src + k) % n for k in range(clockwise))


def wires_of(network: AstraNetwork, clock: Clock) -> Wires:
    """The network's own kind."""
    return Flights(network, clock) if network.congestion == "unaware" else Links(network, clock)
