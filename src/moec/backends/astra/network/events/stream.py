"""One piece of a collective on one rank: its phases one after the other, each run by an algorithm."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from moec.backends.astra.network.events.event import Event
from moec.backends.astra.network.events.inbox import Inbox
from moec.backends.astra.network.events.post import TAGS, Channel
from moec.backends.astra.network.events.wires import Message, Train
from moec.backends.astra.network.link import reduction_ns
from moec.backends.astra.network.plan import Phase

if TYPE_CHECKING:
    from moec.backends.astra.network.events.rank import Rank

Leg = tuple[Phase, int, int, bool]
"""A phase, its queue, its direction (+1 or −1) and whether it takes the first tree of the pair."""


class Algorithm:
    """Reacts to three events of its stream."""

    __slots__ = ()

    def start(self) -> None:
        """The stream got its turn in the phase's queue."""
        raise NotImplementedError

    def proceed(self) -> None:
        """An endpoint's delay, and a reduction if there was one, are over."""
        raise NotImplementedError

    def received(self) -> None:
        """A message came in."""
        raise NotImplementedError


class Proceeds(Event):
    """The stream's algorithm goes on."""

    __slots__ = ("stream",)

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def happen(self) -> None:
        self.stream.algorithm.proceed()


class Reduces(Event):
    """Bytes have come to memory and are reduced for `ns`."""

    __slots__ = ("ns", "stream")

    stream: Stream
    ns: int

    def happen(self) -> None:
        self.stream.desk.put(self.ns, self.stream.proceeds)


class Received(Event):
    """A message of the stream came in."""

    __slots__ = ("stream",)

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def happen(self) -> None:
        self.stream.algorithm.received()


class Stream:
    """One piece of a collective on one rank. `legs` are what is left to do; `done` is called when nothing is.

    `delay`: nanoseconds at an endpoint.
    """

    __slots__ = (
        "_from", "_inbox", "_to", "algorithm", "bus", "came", "counted", "delay", "desk", "done", "leg", "legs", "member", "post", "priority",
        "proceeds", "queue", "rank", "reduced", "reduction", "started", "tag",
    )  # fmt: skip

    algorithm: Algorithm
    leg: Leg

    def __init__(
        self, rank: Rank, number: int, legs: list[Leg], delay: int, priority: int, done: Callable[[], None]
    ) -> None:
        self.rank, self.legs, self.delay, self.done = rank, legs, delay, done
        self.desk, self.bus, self.post, self.member = rank.desk, rank.bus, rank.post, rank.number
        self.priority, self.queue, self.started = priority, -1, False
        self.tag = (number % TAGS if number >= 0 else -(-number % TAGS)) + TAGS
        self.proceeds, self.came = Proceeds(self), Received(self)
        self.reduced, self.reduction = -1, 0
        self._to: Channel | None = None
        self._from: Channel | None = None
        self._inbox: Inbox | None = None
        self.counted = self.post.counted and self.tag >= TAGS  # lower ones are shared with sends in traces

    def start(self) -> None:
        self.started = True
        self.algorithm.start()

    def hand_over(self, size: int, reduces: bool, inward: bool = False, back: bool = False) -> None:
        """Passes `size` bytes between network and memory, then reduces them if asked to, then proceeds.

        `inward`, `back`: from the network to memory, and back again; of no account but on a shared bus.
        """
        event: Event = self.proceeds
        if reduces:
            if size != self.reduced:
                self.reduced, self.reduction = size, reduction_ns(size, self.rank.network.local_mem_bw)
            reduction = Reduces.__new__(Reduces)
            reduction.stream, reduction.ns = self, self.reduction
            event = reduction
        if self.bus is not None and self.leg[0].group is None:  # groups take their fixed delay nevertheless
            (self.bus.inward if inward else self.bus.outward)(size, reduces, back, event)
        else:
            self.desk.put(self.delay, event)

    def send(self, dst: int, size: int) -> None:
        channel = self._to
        if channel is None or channel.dst != dst or channel.size != size:
            if channel is not None:
                self.post.release(channel)
            channel = self._to = self.post.hold(self.tag, self.member, dst, size)
        self.post.send_on(channel, None)

    def receive(self, src: int, size: int) -> None:
        channel = self._from
        if channel is None or channel.src != src or channel.size != size:
            if channel is not None:
                self.post.release(channel)
            channel = self._from = self.post.hold(self.tag, src, self.member, size)
        self.post.receive_on(channel, self.came)

    def exchange(self, dst: int, src: int, size: int, train: Train) -> None:
        """Sends to one of many, on `train` if that is what waits last, and waits for one of many."""
        if not self.counted:
            self.send(dst, size)
            self.receive(src, size)
            return
        self.post.slip(self.tag, self.member, dst, size, train)
        if self._inbox is None:
            self._inbox = self.post.office.claim(self.tag, self.member, size, self.came)
        if self._inbox.expect(src):
            self.post.again(self.came)

    def slip(self, dst: int, size: int) -> Message:
        """A message to an inbox that is about to leave."""
        return self.post.office.slip(self.tag, self.member, dst, size)

    def finish(self) -> None:
        """The phase is over."""
        if self._inbox is not None:
            self._inbox.office.release(self._inbox)
            self._inbox = None
        if self._to is not None:
            self.post.release(self._to)
        if self._from is not None:
            self.post.release(self._from)
        self._to = self._from = None
        self.rank.advance(self)
