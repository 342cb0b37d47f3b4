"""One piece of a collective on one rank: its phases one after the other, each run by an algorithm."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from moec.backends.fast.astra.link import reduction_ns
from moec.backends.fast.astra.plan import Phase

if TYPE_CHECKING:
    from moec.backends.fast.astra.rank import Rank

TAGS = 500_000_000
"""Tags of collectives are stream numbers modulo this, plus this; those of sends in traces lie below."""


class Algorithm(Protocol):
    """Reacts to three events of its stream."""

    def start(self) -> None:
        """The stream got its turn in the phase's queue."""

    def proceed(self) -> None:
        """An endpoint's delay, and a reduction if there was one, are over."""

    def received(self) -> None:
        """A message came in."""


Leg = tuple[Phase, int, int, bool]
"""A phase, its queue, its direction (+1 or −1) and whether it takes the first tree of the pair."""


class Stream:
    """`legs` are what is left to do; `done` is told the time when nothing is. `delay`: nanoseconds at an endpoint."""

    __slots__ = ("algorithm", "delay", "done", "leg", "legs", "number", "priority", "queue", "rank", "started", "tag")

    def __init__(
        self, rank: Rank, number: int, legs: list[Leg], delay: int, priority: int, done: Callable[[], None]
    ) -> None:
        self.rank, self.number, self.legs, self.delay, self.done = rank, number, legs, delay, done
        self.priority, self.queue, self.started = priority, -1, False
        self.tag = (number % TAGS if number >= 0 else -(-number % TAGS)) + TAGS
        self.algorithm: Algorithm
        self.leg: Leg

    def start(self) -> None:
        self.started = True
        self.algorithm.start()

    def proceed(self, _: None) -> None:
        self.algorithm.proceed()

    def received(self, _: None) -> None:
        self.algorithm.received()

    def hand_over(self, size: int, reduces: bool) -> None:
        """Passes `size` bytes between network and memory, then reduces them if asked to, then proceeds."""
        if reduces:
            self.rank.desk.after(self.delay, self._reduce, reduction_ns(size, self.rank.network.local_mem_bw))
        else:
            self.rank.desk.after(self.delay, self.proceed, None)

    def _reduce(self, time: int) -> None:
        self.rank.desk.after(time, self.proceed, None)

    def send(self, dst: int, size: int) -> None:
        self.rank.post.send(self.tag, self.rank.number, dst, size)

    def receive(self, src: int, size: int) -> None:
        self.rank.post.receive(self.tag, src, self.rank.number, size, self.received)

    def finish(self) -> None:
        """The phase is over."""
        self.rank.advance(self)
