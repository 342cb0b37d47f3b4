"""The quick replay: collectives as wholes, wherever nothing that another rank does could change how long they take."""

from __future__ import annotations

from moec.backends.astra.network.events.clock import Clock, Deferred
from moec.backends.astra.network.events.desk import Desk
from moec.backends.astra.network.events.post import Post
from moec.backends.astra.network.events.wires import wires_of
from moec.backends.astra.network.refusal import Stopped, aborts
from moec.backends.astra.network.rings import Track, new_track
from moec.backends.astra.replay.collective_plans import Calls
from moec.backends.astra.replay.npu import Npu
from moec.backends.astra.replay.occupancy import Occupancy, Unsure
from moec.backends.astra.replay.programs.actions import Gathers, Receives, Sends
from moec.backends.astra.replay.programs.actions import Stores as Access
from moec.backends.astra.replay.remote_memory import Stores
from moec.backends.astra.replay.round import Round
from moec.backends.astra.replay.setup import Setup


class CoarseMachine:
    """All ranks, without the messages of collectives. Raises Unsure where only every message would tell."""

    def __init__(self, setup: Setup, *, detail: bool = False) -> None:
        self._setup, self._calls = setup, Calls(setup)
        self._clock = clock = Clock()
        self._desks = [Desk(clock) for _ in range(setup.world)]
        self._post = Post(clock, wires_of(setup.network, clock), setup.world)
        self._stores = Stores(setup.memory)
        self._open: dict[tuple[int, int], Round] = {}
        self._occupancy = Occupancy(setup.network)
        self.npus = [Npu(rank, program, self, detail=detail) for rank, program in enumerate(setup.programs)]
        self._whole_ns = [-1] * setup.world
        self._inside = [False] * setup.world
        self._last_ns = -1
        self._tracks: dict[tuple[int, ...], Track] = {}

    def run(self) -> None:
        """Until nothing is left to happen. Raises Stopped where the simulator ends early, and Unsure."""
        for npu in self.npus:
            npu.fire()
        self._clock.run()

    def now(self) -> int:
        return self._clock.now

    def twice(self, npu: Npu) -> None:
        """Two of a rank's nodes end in one nanosecond: which is first shows in a collective's messages only."""
        if self._whole_ns[npu.rank] == self._clock.now or self._inside[npu.rank]:
            raise Unsure

    def last(self, npu: Npu, node: int, ns: int) -> None:
        self._desks[npu.rank].after(ns, npu.ended, node)

    def store(self, npu: Npu, node: int, action: Access) -> None:
        self._stores.access(npu.rank, action.size, self._desks[npu.rank], npu.ended, node)

    def send(self, npu: Npu, node: int, action: Sends) -> None:
        if not 0 <= action.peer < self._setup.world:
            raise Stopped(aborts(f"rank {npu.rank} sends to rank {action.peer} of {self._setup.world}"))
        self._post.send(action.tag, npu.rank, action.peer, action.size, Deferred(npu.delivered, node))

    def receive(self, npu: Npu, node: int, action: Receives) -> None:
        self._post.receive(action.tag, action.peer, npu.rank, action.size, Deferred(npu.delivered, node))

    def gather(self, npu: Npu, node: int, action: Gathers) -> None:
        members = self._calls.members(npu, action)
        self._inside[npu.rank] = True
        if self._calls.custom(npu, action) is not None:
            raise Unsure
        plan = self._calls.plan(npu, action, members)
        if self._clock.now == 0 and plan.delay_ns == 0:
            raise Stopped(aborts("the first event falls into nanosecond 0: an endpoint delay of 0 at the very start"))
        key = (id(plan), self._calls.number(npu, action.group, plan.pieces))
        self._join(key, Round(members, self._setup.network, plan), npu, node)

    def _join(self, key: tuple[int, int], fresh: Round, npu: Npu, node: int) -> None:
        round = self._open.get(key)
        if round is None:
            self._occupancy.enter(fresh.members, self._clock.now, ring=fresh.is_ring())
            round = self._open[key] = fresh
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

    def _end(self, which: tuple[Npu, int]) -> None:
        (npu, node), now = which, self._clock.now
        if now == self._last_ns:
            self._occupancy.ordered = False
        self._last_ns = self._whole_ns[npu.rank] = now
        self._inside[npu.rank] = False
        npu.ended(node)
