"""The ring algorithm and `direct`: the same stepping, to the next member each time or to each member in turn."""

from __future__ import annotations

from collections import deque

from moec.backends.fast.astra.plan import Phase
from moec.backends.fast.astra.stream import Stream


class Walk:
    """Sends a block whenever an endpoint is ready for one. `direct` keeps `window` blocks in flight, `ring` one."""

    __slots__ = (
        "arrived",
        "away",
        "direct",
        "fast",
        "free",
        "from_",
        "left",
        "limit",
        "message",
        "packets",
        "parallel",
        "phase",
        "ring",
        "slow",
        "stream",
        "to",
        "turned",
        "where",
    )  # fmt: skip

    def __init__(self, stream: Stream, phase: Phase, direction: int) -> None:
        self.stream, self.phase = stream, phase
        self.ring = phase.ring(stream.rank.number)
        self.where = self.ring.index(stream.rank.number)
        n = phase.size
        self.away, self.direct = direction, phase.algorithm == "direct"
        self.to, self.from_ = (self.where + direction) % n, (self.where - direction) % n
        self.parallel = 1
        if self.direct:
            self.parallel = n - 1 if phase.window == -1 else min(phase.window, n - 1)
        self.left = blocks(phase)
        self.message = phase.bytes if phase.kind == "all_gather" else phase.bytes // n
        self.packets: deque[tuple[int, int]] = deque()
        self.fast = self.slow = self.free = 0
        self.turned = False
        self.arrived = 0
        self.limit = n - 1

    def start(self) -> None:
        for _ in range(self.parallel):
            self._insert()

    def received(self) -> None:
        self.arrived += 1
        self._insert()

    def proceed(self) -> None:
        self.free += 1
        if self.direct and self.phase.kind == "all_reduce" and self.left <= self.limit:
            if self.arrived < self.limit:  # the second half begins when all of the first has come in
                return
            for _ in range(self.parallel):
                self._send()
        else:
            self._send()
        if self.left == 0 and self.free == self.parallel:
            self.stream.finish()

    def _insert(self) -> None:
        """Books a block: the first ones are the rank's own, later ones were received and may need reducing."""
        if self.fast == 0 and self.slow == 0:
            self.fast = self.parallel
            whole = not self.direct or self.phase.group is not None
            self.slow = (self.limit if whole else 1) * self.parallel
            self.turned = not self.turned
        self.packets.append((self.to, self.from_))
        if self.fast > 0:
            self.fast -= 1
            reduces = False
        else:
            self.slow -= 1
            kind = self.phase.kind
            reduces = kind == "reduce_scatter" or (kind == "all_reduce" and self.turned)
        self.stream.hand_over(self.message, reduces)
        if self.direct:
            self.to, self.from_ = self._past(self.to, self.away), self._past(self.from_, -self.away)

    def _past(self, place: int, step: int) -> int:
        n = self.phase.size
        place = (place + step) % n
        return (place + step) % n if place == self.where else place

    def _send(self) -> None:
        if not self.packets or self.left == 0 or self.free == 0:
            return
        to, from_ = self.packets.popleft()
        self.stream.send(self.ring[to], self.message)
        self.stream.receive(self.ring[from_], self.message)
        self.left -= 1
        self.free -= 1


def blocks(phase: Phase) -> int:
    """Messages that each member sends: in a ring all-to-all every block walks all the way."""
    n = phase.size
    if phase.kind == "all_reduce":
        return 2 * (n - 1)
    if phase.kind == "all_to_all" and phase.algorithm != "direct":
        return n * (n - 1) // 2
    return n - 1
