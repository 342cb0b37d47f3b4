"""The ring algorithm and `direct`: the same stepping, to the next member each time or to each member in turn."""

from __future__ import annotations

from moec.backends.astra.network.events.stream import Algorithm, Stream
from moec.backends.astra.network.events.wires import Message, Train
from moec.backends.astra.network.plan import Phase


class InTurn(Train):
    """What a member sends from `place` in its ring on, to one after the other."""

    __slots__ = ("place", "walk")

    def __init__(self, walk: Walk) -> None:
        self.walk, self.place, self.left = walk, 0, 0

    def make(self) -> Message:
        walk = self.walk
        to: int = walk.ring[self.place]
        self.place = walk.past(self.place, walk.away)
        self.left -= 1
        return walk.stream.slip(to, walk.message)


class Walk(Algorithm):
    """Sends a block whenever an endpoint is ready for one. `direct` keeps `window` blocks in flight, `ring` one.

    Blocks are booked, and sent in the order of booking: the next one to `sends_to`, which makes the member wait for one from
    `waits_for`; `booked` are not sent yet. `train` takes those of `direct` that wait for the way out.
    """

    __slots__ = (
        "arrived", "away", "booked", "direct", "fast", "free", "gathers_late", "left", "limit", "message", "parallel",
        "reduces", "ring", "sends_to", "slow", "slows", "stream", "train", "turned", "waits_for", "where",
    )  # fmt: skip

    def __init__(self, stream: Stream, phase: Phase, direction: int) -> None:
        self.stream = stream
        self.ring = phase.ring(stream.member)
        self.where = phase.where(stream.member)
        n = phase.size
        self.away, self.direct = direction, phase.algorithm == "direct"
        self.sends_to, self.waits_for = (self.where + direction) % n, (self.where - direction) % n
        self.parallel = 1
        if self.direct:
            self.parallel = n - 1 if phase.window == -1 else min(phase.window, n - 1)
        self.left = blocks(phase)
        self.message = phase.bytes if phase.kind == "all_gather" else phase.bytes // n
        self.reduces = {"reduce_scatter": 1, "all_reduce": 2}.get(phase.kind, 0)
        whole = not self.direct or phase.group is not None
        self.slows = (n - 1 if whole else 1) * self.parallel
        self.gathers_late = self.direct and phase.kind == "all_reduce"
        self.train = InTurn(self)
        self.booked = 0
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
        if self.gathers_late and self.left <= self.limit:
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
            self.fast, self.slow = self.parallel, self.slows
            self.turned = not self.turned
        self.booked += 1
        reduces = inward = back = False
        if self.fast > 0:
            self.fast -= 1
        else:
            inward, back = True, self.slow > self.parallel
            self.slow -= 1
            reduces = self.reduces == 1 or (self.reduces == 2 and self.turned)
        self.stream.hand_over(self.message, reduces, inward, back)

    def _send(self) -> None:
        if self.booked == 0 or self.left == 0 or self.free == 0:
            return
        self.booked -= 1
        to: int = self.ring[self.sends_to]
        from_: int = self.ring[self.waits_for]
        if self.direct:
            if not self.train.left:
                self.train.place = self.sends_to
            self.sends_to = self.past(self.sends_to, self.away)
            self.waits_for = self.past(self.waits_for, -self.away)
            self.stream.exchange(to, from_, self.message, self.train)
        else:
            self.stream.send(to, self.message)
            self.stream.receive(from_, self.message)
        self.left -= 1
        self.free -= 1

    def past(self, place: int, step: int) -> int:
        """The next place in a direction, leaving out the member's own."""
        n = self.limit + 1
        place = (place + step + n) % n
        return (place + step + n) % n if place == self.where else place


def blocks(phase: Phase) -> int:
    """Messages that each member sends: in a ring all-to-all every block walks all the way."""
    n = phase.size
    if phase.kind == "all_reduce":
        return 2 * (n - 1)
    if phase.kind == "all_to_all" and phase.algorithm != "direct":
        return n * (n - 1) // 2
    return n - 1
