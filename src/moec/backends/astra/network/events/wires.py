"""Messages on the network: fixed flights (unaware), or store-and-forward over links with first-come queues (aware)."""

from __future__ import annotations

from typing import Any

from moec.backends.astra.network.events.clock import Call, Clock
from moec.backends.astra.network.events.event import Event
from moec.backends.astra.network.link import flight_ns, hop_ns, serialization_ns
from moec.backends.astra.network.topology import AstraNetwork

RING, SWITCH, FULL = range(3)
_TOPOLOGIES = {"Ring": RING, "Switch": SWITCH, "FullyConnected": FULL}


class Message(Event):
    """On its way it has `hops` links to go, of which `link` is the next or present one; `then` waits behind it."""

    __slots__ = ("hops", "link", "size", "target", "then", "wires")

    hops: int
    link: int
    size: int
    target: int
    then: Message | None
    wires: Links | None

    def arrive(self) -> None:
        """It is there."""
        raise NotImplementedError

    def happen(self) -> None:
        if self.wires is None:
            self.arrive()
        else:
            self.wires.hop(self)


class Train(Message):
    """Messages that wait for the way into a switch right after each other, `left` of them, made only when they leave."""

    __slots__ = ("left",)

    left: int

    def make(self) -> Message:
        """The next one, with its `target` and `size`."""
        raise NotImplementedError


class Parcel(Message):
    """Runs `call(argument)` when it has arrived."""

    __slots__ = ("argument", "call")

    def __init__(self, call: Call, argument: Any) -> None:
        self.wires, self.then = None, None
        self.call, self.argument = call, argument

    def arrive(self) -> None:
        self.call(self.argument)


class Wires:
    """What carries messages. `loops`: also those of a rank to itself."""

    __slots__ = ("loops",)

    loops: bool

    def carry(self, src: int, dst: int, size: int, message: Message) -> None:
        """Lets `message` arrive when it is there."""
        raise NotImplementedError

    def couple(self, src: int, train: Train) -> bool:
        """Whether one more message of `src` waits in `train`; if not it is to be carried by itself."""
        return False

    def send(self, src: int, dst: int, size: int, call: Call, argument: Any) -> None:
        """Runs `call(argument)` when the message has arrived."""
        self.carry(src, dst, size, Parcel(call, argument))


class Flights(Wires):
    """The unaware network: a message is charged for the first dimension in which its ends differ (`link.unaware_ns`)."""

    __slots__ = ("_clock", "_dims", "_known", "_npus", "_size", "_times", "_topologies")

    def __init__(self, network: AstraNetwork, clock: Clock) -> None:
        self._clock, self._dims, self.loops = clock, network.dimensions, False
        self._npus = [dim.npus for dim in self._dims]
        self._topologies = [_TOPOLOGIES[dim.topology] for dim in self._dims]
        self._known: dict[int, dict[int, int]] = {}
        self._size, self._times = -1, dict[int, int]()

    def carry(self, src: int, dst: int, size: int, message: Message) -> None:
        dim, count = 0, len(self._npus)
        npus = self._npus[0]
        while src % npus == dst % npus:
            src, dst, dim = src // npus, dst // npus, dim + 1
            npus = self._npus[dim]
        links = 1
        if self._topologies[dim] == SWITCH:
            links = 2
        elif self._topologies[dim] == RING:
            links = (dst % npus - src % npus + npus) % npus
            links = min(links, npus - links)
        if size != self._size:
            self._size, self._times = size, self._known.setdefault(size, {})
        time = self._times.get(links * count + dim)
        if time is None:
            time = self._times[links * count + dim] = flight_ns(size, links, self._dims[dim])
        self._clock.put(self._clock.now + time, message)


class Link(Event):
    """Carries one message at a time; `first` … `last` wait for it. It happens that it is free again."""

    __slots__ = ("busy", "first", "last", "wires")

    def __init__(self, wires: Links) -> None:
        self.wires, self.busy = wires, False
        self.first: Message | None = None
        self.last: Message | None = None

    def happen(self) -> None:
        message = self.first
        if message is None:
            self.busy = False
            return
        if isinstance(message, Train):
            train, message = message, message.make()
            message.wires, message.hops, message.link = self.wires, 2, train.link
            if not train.left:
                self.drop()
        else:
            self.drop()
        self.wires.start(self, message)

    def drop(self) -> None:
        """The first that waits leaves."""
        message: Message = self.first  # type: ignore[assignment]  # there is one
        self.first = message.then
        if self.first is None:
            self.last = None
        message.then = None

    def append(self, message: Message) -> None:
        """One more that waits."""
        if self.last is None:
            self.first = message
        else:
            self.last.then = message
        self.last = message


class Links(Wires):
    """The aware network: every link carries one message at a time, in the order of arrival, whole hop by whole hop.

    Link s is that from s clockwise and n + s that from s anticlockwise (ring), that of s into the switch and n + s from it
    to s (switch), n·s + d that from s to d (full mesh). `folded`: those of all members that play the same part are one.
    """

    __slots__ = ("_clock", "_dim", "_folded", "_hold", "_hop", "_known", "_links", "_npus", "_size", "_topology")

    def __init__(self, network: AstraNetwork, clock: Clock, *, folded: bool = False) -> None:
        self._dim, self._clock, self._folded = network.dimensions[0], clock, folded
        self._topology, self._npus = _TOPOLOGIES[self._dim.topology], self._dim.npus
        self.loops = self._topology == SWITCH
        self._links: dict[int, Link] = {}
        self._known: dict[int, tuple[int, int]] = {}
        self._size, self._hop, self._hold = -1, 0, 0

    def carry(self, src: int, dst: int, size: int, message: Message) -> None:
        message.wires, message.size, message.target = self, size, dst
        n = self._npus
        message.hops = 1
        if self._topology == RING:
            clockwise = (dst - src + n) % n
            onward = n - clockwise >= clockwise
            message.hops = clockwise if onward else n - clockwise
            message.link = src if onward else n + src
        elif self._topology == SWITCH:
            message.hops, message.link = 2, src
        else:
            message.link = n * src + dst
        self._enter(message)

    def hop(self, message: Message) -> None:
        """A message has crossed a link."""
        message.hops -= 1
        if not message.hops:
            message.wires = None
            message.arrive()
            return
        if self._topology == SWITCH:
            message.link = self._npus + message.target
        elif message.link < self._npus:
            message.link = message.link + 1 if message.link + 1 < self._npus else 0
        else:
            message.link = message.link - 1 if message.link > self._npus else 2 * self._npus - 1
        self._enter(message)

    def _enter(self, message: Message) -> None:
        number = self._part(message.link) if self._folded else message.link
        link = self._links.get(number)
        if link is None:
            link = self._links[number] = Link(self)
        if not link.busy:
            self.start(link, message)
            return
        link.append(message)

    def couple(self, src: int, train: Train) -> bool:
        if self._topology != SWITCH or self._folded:
            return False
        link = self._links.get(src)
        if link is None or not link.busy:
            return False
        if not train.left:
            train.link, train.then = src, None
            link.append(train)
        elif link.last is not train:
            return False
        train.left += 1
        return True

    def _part(self, link: int) -> int:
        return link % self._npus if self._topology == FULL else int(link >= self._npus)

    def start(self, link: Link, message: Message) -> None:
        """A message begins to cross a link."""
        link.busy = True
        if message.size != self._size:
            self._size = message.size
            times = self._known.get(self._size)
            if times is None:
                times = self._known[self._size] = hop_ns(self._size, self._dim), serialization_ns(self._size, self._dim)
            self._hop, self._hold = times
        now = self._clock.now
        self._clock.put(now + self._hop, message)
        self._clock.put(now + self._hold, link)


def wires_of(network: AstraNetwork, clock: Clock) -> Wires:
    """The network's own kind."""
    return Flights(network, clock) if network.congestion == "unaware" else Links(network, clock)
