"""The quick replay: collectives as wholes, wherever nothing that another rank does could change how long they take."""

from __future__ import annotations

from moec.backends.fast.astra.clock import Clock, Deferred, Desk
from moec.backends.fast.astra.plan import Plan
from moec.backends.fast.astra.post import Post
from moec.backends.fast.astra.refusal import Stopped, aborts
from moec.backends.fast.astra.rings import Track, new_track
from moec.backends.fast.astra.wires import wires_of
from moec.backends.fast.replay.action import Gathers, Receives, Sends
from moec.backends.fast.replay.action import Stores as Access
from moec.backends.fast.replay.calls import Calls
from moec.backends.fast.replay.crossing import Crossing
from moec.backends.fast.replay.lineage import MARK, Mark
from moec.backends.fast.replay.npu import Npu
from moec.backends.fast.replay.occupancy import Occupancy, Unsure
from moec.backends.fast.replay.ports import paths_of
from moec.backends.fast.replay.round import Round
from moec.backends.fast.replay.setup import Setup
from moec.backends.fast.replay.spread import Spread, is_spread
from moec.backends.fast.replay.store import Stores


class CoarseMachine:
    """All ranks, without the messages of collectives. Raises Unsure where only every message would tell."""

    def __init__(self, setup: Setup, *, detail: bool = False) -> None:
        self._setup, self._calls = setup, Calls(setup)
        self._clock = clock = Clock()
        self._desks = [Desk(clock) for _ in range(setup.world)]
        self._post = Post(clock, wires_of(setup.network, clock), setup.world)
        self._stores = Stores(setup.memory)
        self._open: dict[tuple[object, ...], Round | Crossing | Spread] = {}
        self._occupancy = Occupancy(setup.network)
        self._paths = paths_of(setup.network, clock)
        self.npus = [Npu(rank, program, self, detail=detail) for rank, program in enumerate(setup.programs)]
        self._whole_ns = [-1] * setup.world
        self._inside = [False] * setup.world
        self._last_ns = -1
        self._tracks: dict[tuple[int, ...], Track] = {}
        self._mark = Mark(0)
        self._marks: list[Mark | None] = [None] * setup.world

    def run(self) -> None:
        """Until nothing is left to happen. Raises Stopped where the simulator ends early, and Unsure."""
        for npu in self.npus:
            self._mark = Mark(0, turn=npu.rank)
            npu.fire()
        self._clock.run()

    def now(self) -> int:
        return self._clock.now

    def twice(self, npu: Npu) -> None:
        """Two of a rank's nodes end in one nanosecond: which is first shows in a collective's messages only."""
        if self._whole_ns[npu.rank] == self._clock.now or self._inside[npu.rank]:
            raise Unsure

    def last(self, npu: Npu, node: int, ns: int) -> None:
        self._desks[npu.rank].after(ns, self._lasted, (npu, node, self._mark))

    def _lasted(self, which: tuple[Npu, int, Mark]) -> None:
        """A rank's own event; those of one nanosecond are one, with the place of the first."""
        npu, node, asked = which
        mark = self._marks[npu.rank]
        if mark is None or mark.time != self._clock.now:
            history = None if self._clock.alone else (MARK, asked)  # nothing else can come to this nanosecond
            mark = self._marks[npu.rank] = Mark(self._clock.now, asked=history)
        self._mark = mark
        npu.ended(node)

    def store(self, npu: Npu, node: int, action: Access) -> None:
        self._stores.access(npu.rank, action.size, self._desks[npu.rank], self._lasted, (npu, node, self._mark))

    def send(self, npu: Npu, node: int, action: Sends) -> None:
        if not 0 <= action.peer < self._setup.world:
            raise Stopped(aborts(f"rank {npu.rank} sends to rank {action.peer} of {self._setup.world}"))
        self._post.send(action.tag, npu.rank, action.peer, action.size, Deferred(npu.delivered, node))

    def receive(self, npu: Npu, node: int, action: Receives) -> None:
        self._post.receive(action.tag, action.peer, npu.rank, action.size, Deferred(npu.delivered, node))

    def gather(self, npu: Npu, node: int, action: Gathers) -> None:
        prefix, members = self._calls.custom(npu, action), self._calls.members(npu, action)
        self._inside[npu.rank] = True
        if prefix:
            self._spelled_out(npu, node, action, prefix, members)
        else:
            self._native(npu, node, action, members)

    def _native(self, npu: Npu, node: int, action: Gathers, members: tuple[int, ...]) -> None:
        plan = self._calls.plan(npu, action, members)
        if self._clock.now == 0 and plan.delay_ns == 0:
            raise Stopped(aborts("the first event falls into nanosecond 0: an endpoint delay of 0 at the very start"))
        key = (id(plan), self._calls.number(npu, action.group, plan.pieces))
        if self._paths is not None and is_spread(plan, self._setup.network):
            self._spread(key, plan, npu, node, members)
            return
        self._join(key, Round(members, self._setup.network, plan), npu, node)

    def _spread(self, key: tuple[object, ...], plan: Plan, npu: Npu, node: int, members: tuple[int, ...]) -> None:
        spread = self._open.get(key)
        if spread is None and self._paths is not None:
            self._occupancy.follow(members, self._clock.now)
            network, clock = self._setup.network, self._clock
            spread = Spread(plan, network, members, self._paths, clock, self._occupancy, self._ended)
            self._open[key] = spread
        if not isinstance(spread, Spread):
            raise Unsure
        spread.come(npu, node, self._mark, self._desks[npu.rank])
        if spread.complete:
            del self._open[key]

    def _ended(self, npu: Npu, node: int, mark: Mark) -> None:
        """A member of a spread is done, by an event of its own."""
        self._mark = mark
        self._note(npu)
        npu.ended(node)

    def _spelled_out(self, npu: Npu, node: int, action: Gathers, prefix: str, members: tuple[int, ...]) -> None:
        calls, position = self._calls, self._calls.position(npu, members)
        exchange = calls.exchange(prefix, action, members) if self._paths is not None else None
        calls.number(npu, action.group, 1)
        key = (prefix, action.group, calls.turn(npu, prefix, action.group))
        if exchange is None or self._paths is None or position < 0:
            round = Round(members, self._setup.network, None)
            round.scores[npu.rank] = calls.score(prefix, action, position)
            self._join(key, round, npu, node)
            return
        crossing = self._open.get(key)
        if crossing is None:
            self._occupancy.follow(members, self._clock.now)
            crossing = self._open[key] = Crossing(exchange, members, self._paths, self._clock, self._arrive)
        if not isinstance(crossing, Crossing):
            raise Unsure
        crossing.come(npu, node, position, self._mark)
        if crossing.complete:
            del self._open[key]

    def _arrive(self, crossing: Crossing, npu: Npu, node: int, mark: Mark) -> None:
        """A member of an exchange is done."""
        self._mark = mark
        if not crossing.open:
            self._occupancy.leave(crossing.members)
        self._note(npu)
        npu.delivered(node)

    def _join(self, key: tuple[object, ...], fresh: Round, npu: Npu, node: int) -> None:
        round = self._open.get(key)
        if round is None:
            self._occupancy.enter(fresh.members, self._clock.now, ring=fresh.is_ring())
            round = self._open[key] = fresh
        if not isinstance(round, Round):
            raise Unsure
        round.scores.update(fresh.scores)
        round.come(self._clock.now, npu, node)
        if round.complete:
            del self._open[key]
            self._solve(round)

    def _solve(self, round: Round) -> None:
        """All have come: when each is done."""
        track = None
        if round.is_ring():
            if round.members not in self._tracks:
                self._tracks[round.members] = new_track(len(round.members))
            track = self._tracks[round.members]
        ends = round.ends(track, ordered=self._occupancy.ordered)
        if min(ends.values()) < self._clock.now:
            raise Unsure
        for rank, end in ends.items():
            self._clock.at(end, self._end, round.which(rank))
        self._occupancy.settle(round.members, max(ends.values()))

    def _end(self, which: tuple[Npu, int, bool]) -> None:
        npu, node, by_rank = which
        self._mark = Mark(self._clock.now)
        self._note(npu)
        npu.swallows(by_rank)
        npu.over(node)

    def _note(self, npu: Npu) -> None:
        now = self._clock.now
        if now == self._last_ns:
            self._occupancy.ordered = False
        self._last_ns = self._whole_ns[npu.rank] = now
        self._inside[npu.rank] = False
