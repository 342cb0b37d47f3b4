"""One rank's queues: which streams of its collectives run, which wait, and in which queue each phase goes."""

from __future__ import annotations

from collections.abc import Callable

from moec.backends.fast.astra.bus import Bus
from moec.backends.fast.astra.cast import comes
from moec.backends.fast.astra.clock import Clock
from moec.backends.fast.astra.desk import Desk
from moec.backends.fast.astra.event import Event
from moec.backends.fast.astra.inbox import Inbox
from moec.backends.fast.astra.link import reduction_ns
from moec.backends.fast.astra.network import AstraNetwork, Kind
from moec.backends.fast.astra.plan import Phase, Plan
from moec.backends.fast.astra.post import TAGS, Channel, Post
from moec.backends.fast.astra.refusal import Stopped, aborts
from moec.backends.fast.astra.turns import Turns
from moec.backends.fast.astra.wires import Message, Train

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


class Pieces:
    """What is left of a collective; `done` is called after the last piece."""

    __slots__ = ("_done", "_left")

    def __init__(self, left: int, done: Callable[[], None]) -> None:
        self._left, self._done = left, done

    def over(self) -> None:
        """One less."""
        self._left -= 1
        if not self._left:
            self._done()


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
        pieces = Pieces(plan.pieces, done)
        for piece in range(plan.pieces):
            legs = [self._leg(phase, family) for phase in plan.phases]
            self.advance(Stream(self, first + piece, legs, plan.delay_ns, priority, pieces.over))

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
