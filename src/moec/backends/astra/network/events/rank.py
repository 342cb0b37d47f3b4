"""One rank's queues: which streams of its collectives run, which wait, and in which queue each phase goes."""

from __future__ import annotations

from collections.abc import Callable

from moec.backends.astra.network.conversions import comes
from moec.backends.astra.network.events.bus import Bus
from moec.backends.astra.network.events.clock import Clock
from moec.backends.astra.network.events.desk import Desk
from moec.backends.astra.network.events.post import Post
from moec.backends.astra.network.events.stream import Algorithm, Leg, Stream
from moec.backends.astra.network.events.turns import Turns
from moec.backends.astra.network.plan import Phase, Plan
from moec.backends.astra.network.refusal import Stopped, aborts
from moec.backends.astra.network.topology import AstraNetwork, Kind


class Rank:
    """`issue` starts a collective; its pieces pass the queues of the dimensions, some of each queue at once.

    `algorithm_of` makes what runs a leg of a stream.
    """

    __slots__ = (
        "_algorithm_of", "_limit", "_queues", "_running", "_trees", "_turns", "bus", "desk", "network", "number", "post",
    )  # fmt: skip

    def __init__(
        self, number: int, network: AstraNetwork, clock: Clock, post: Post, algorithm_of: Callable[[Stream], Algorithm]
    ) -> None:
        self.number, self.network, self.post = number, network, post
        self.desk = Desk(clock)
        self.bus = None if network.bus is None else Bus(self.desk, network.bus)
        levels, per_level = len(network.dimensions), network.queues
        self._algorithm_of = algorithm_of
        self._turns = [Turns(level * per_level, per_level) for level in range(levels)]
        self._queues: list[list[Stream]] = [[] for _ in range(levels * per_level)]
        self._running = [0] * (levels * per_level)
        self._limit = network.concurrent
        self._trees: dict[tuple[Kind | None, int], int] = {}

    def issue(
        self, plan: Plan, first: int, done: Callable[[], None], priority: int = 0, family: Kind | None = None
    ) -> None:
        """Starts all pieces, numbered from `first`; `done` runs after the last one. `family`: the whole collective's kind."""
        if plan.delay_ns < 0 and self.bus is None:
            self._never(-plan.delay_ns)
            return
        left = plan.pieces

        def one_less() -> None:
            nonlocal left
            left -= 1
            if not left:
                done()

        for piece in range(plan.pieces):
            legs = [self._leg(phase, family) for phase in plan.phases]
            self.advance(Stream(self, first + piece, legs, plan.delay_ns, priority, one_less))

    def _never(self, ns: int) -> None:
        """An endpoint that is done `ns` before it begins: the past fails an assertion, before time 0 is a time that never comes."""
        if comes(self.desk.clock.now, 2**64 - ns):
            raise Stopped(aborts("`event_time_ns >= event_queue->get_current_time()`: `endpoint-delay` is below 0"))

    def issue_own(self, make: Callable[[Stream], Algorithm], done: Callable[[], None]) -> None:
        """Starts one stream, in the first queue, that an algorithm of its own runs."""
        stream = Stream(self, 0, [], 0, 0, done)
        stream.queue, stream.algorithm = 0, make(stream)
        self._enqueue(stream)
        self._fill(0)

    def _leg(self, phase: Phase, family: Kind | None) -> Leg:
        queue, direction = self._turns[phase.level].take(phase.part)
        if phase.algorithm != "doubleBinaryTree":
            return phase, queue, direction, True
        taken = self._trees.get((family, phase.level), 0)
        self._trees[family, phase.level] = taken + 1
        return phase, queue, direction, taken % 2 == 0

    def advance(self, stream: Stream) -> None:
        """To the next phase, or out."""
        before = stream.queue
        if not stream.legs:
            stream.done()
        if before >= 0:
            self._queues[before].remove(stream)
        if stream.legs:
            stream.leg = stream.legs.pop(0)
            stream.queue, stream.started = stream.leg[1], False
            stream.algorithm = self._algorithm_of(stream)
            self._enqueue(stream)
        else:
            stream.queue = -1
        if before >= 0:
            self._running[before] -= 1
            self._fill(before)
        if stream.queue >= 0:
            self._fill(stream.queue)

    def _enqueue(self, stream: Stream) -> None:
        """Behind those that run and those of the same or a higher priority."""
        queue, place = self._queues[stream.queue], 0
        while place < len(queue) and (queue[place].started or queue[place].priority >= stream.priority):
            place += 1
        queue.insert(place, stream)

    def _fill(self, number: int) -> None:
        queue, place = self._queues[number], self._running[number]
        while place < len(queue) and self._running[number] < self._limit:
            queue[place].start()
            self._running[number] += 1
            place += 1
