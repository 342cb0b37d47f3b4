"""Halving-doubling: exchanges with partners at doubling or halving distance. Odd sizes go astray as in the simulator."""

from __future__ import annotations

from collections import deque
from math import log2

from moec.backends.astra.network.events.stream import Algorithm, Stream
from moec.backends.astra.network.plan import Phase


class Halving(Algorithm):
    """One exchange at a time; distances and sizes change when a block is booked."""

    __slots__ = (
        "distance", "factor", "fast", "free", "left", "members", "message", "packets", "reduces", "ring", "slow", "slows",
        "source", "stream", "target", "turned", "turns_back", "where",
    )  # fmt: skip

    def __init__(self, stream: Stream, phase: Phase) -> None:
        self.stream, self.members = stream, phase.size
        self.ring = phase.ring(stream.member)
        self.where = phase.where(stream.member)
        n, gathers = phase.size, phase.kind == "all_gather"
        self.left = int(2 * log2(n)) if phase.kind == "all_reduce" else int(log2(n))
        self.message = phase.bytes if gathers else phase.bytes // 2
        self.distance = n // 2 if gathers else 1
        self.factor = 0.5 if gathers else 2.0
        self.packets: deque[tuple[int, int, int]] = deque()
        self.reduces = {"reduce_scatter": 1, "all_reduce": 2}.get(phase.kind, 0)
        self.turns_back = phase.kind == "all_reduce"
        self.slows = int(log2(n) - 1)
        self.fast = self.slow = self.free = 0
        self.turned = False
        self.target = self.source = self.where
        self._aim()

    def start(self) -> None:
        self._insert()

    def received(self) -> None:
        self._insert()

    def proceed(self) -> None:
        self.free += 1
        if self.packets and self.left and self.free:
            target, source, size = self.packets.popleft()
            self.stream.send(self.ring[target], size)
            self.stream.receive(self.ring[source], size)
            self.left -= 1
            self.free -= 1
        if self.left == 0 and self.free == 1:
            self.stream.finish()

    def _insert(self) -> None:
        if self.fast == 0 and self.slow == 0:
            self.fast, self.slow = 1, self.slows
            self.turned = not self.turned
        self.packets.append((self.target, self.source, self.message))
        reduces = inward = back = False
        if self.fast > 0:
            self.fast -= 1
        else:
            inward, back = True, self.slow > 1
            self.slow -= 1
            reduces = self.reduces == 1 or (self.reduces == 2 and self.turned)
        self.stream.hand_over(self.message, reduces, inward, back)
        self._scale()
        if self.turns_back and self.distance == self.members:
            self.factor = 0.5
            self._scale()
        self._aim()

    def _scale(self) -> None:
        self.distance = int(self.distance * self.factor)
        self.message = int(self.message / self.factor)

    def _aim(self) -> None:
        n = self.members
        ahead = self.distance == 0 or self.where // self.distance % 2 == 0
        self.target = (self.where + (self.distance if ahead else -self.distance)) % n
        if self.distance > 0:
            self.source = self.target
