"""The exact replay: every message, link, endpoint and queue of every rank, event by event, as ASTRA-sim runs it."""

from __future__ import annotations

from functools import partial

from moec.backends.astra.network.events.algorithms import algorithm_of
from moec.backends.astra.network.events.clock import Clock, Deferred
from moec.backends.astra.network.events.post import Post
from moec.backends.astra.network.events.rank import Rank
from moec.backends.astra.network.events.wires import wires_of
from moec.backends.astra.network.refusal import Stopped, aborts
from moec.backends.astra.replay.collective_plans import Calls
from moec.backends.astra.replay.custom_collective import Custom
from moec.backends.astra.replay.npu import Npu
from moec.backends.astra.replay.plain_set import Plain
from moec.backends.astra.replay.programs.actions import Gathers, Receives, Sends
from moec.backends.astra.replay.programs.actions import Stores as Access
from moec.backends.astra.replay.remote_memory import Stores
from moec.backends.astra.replay.setup import Setup


class EventMachine:
    """All ranks on one network. `npus` know when they finished after `run`. `counted`: see `Post`; then `run` may raise Overlap."""

    def __init__(self, setup: Setup, *, detail: bool = False, counted: bool = True) -> None:
        self._setup, self._calls = setup, Calls(setup)
        self._clock = Clock()
        post = Post(
            self._clock, wires_of(setup.network, self._clock), setup.world, rendezvous=setup.rendezvous, counted=counted
        )
        self._ranks = [Rank(rank, setup.network, self._clock, post, algorithm_of) for rank in range(setup.world)]
        self._stores = Stores(setup.memory)
        self.npus = [Npu(rank, program, self, detail=detail) for rank, program in enumerate(setup.programs)]

    def run(self) -> None:
        """Until nothing is left to happen. Raises Stopped where the simulator ends early."""
        for npu in self.npus:
            npu.fire()
        self._clock.run()

    def now(self) -> int:
        return self._clock.now

    def twice(self, npu: Npu) -> None:
        """Events of one nanosecond run in the simulator's order here."""

    def last(self, npu: Npu, node: int, ns: int) -> None:
        self._ranks[npu.rank].desk.after(ns, npu.ended, node)

    def store(self, npu: Npu, node: int, action: Access) -> None:
        self._stores.access(npu.rank, action.size, self._ranks[npu.rank].desk, npu.ended, node)

    def gather(self, npu: Npu, node: int, action: Gathers) -> None:
        calls, rank = self._calls, self._ranks[npu.rank]
        prefix, members = calls.custom(npu, action), calls.members(npu, action)
        if prefix is not None:
            self._spelled_out(npu, node, action, prefix, members)
            return
        plan = calls.plan(npu, action, members)
        first = calls.number(npu, action.group, plan.pieces)
        rank.issue(plan, first, partial(npu.ended, node), family=action.kind)

    def _spelled_out(self, npu: Npu, node: int, action: Gathers, prefix: str, members: tuple[int, ...]) -> None:
        """A custom set: plain messages from columns, anything else node by node."""
        calls, rank, position = self._calls, self._ranks[npu.rank], self._calls.position(npu, members)
        exchange = calls.exchange(prefix, action, members)
        score = calls.score(prefix, action, position) if exchange is None else None
        calls.number(npu, action.group, 1)
        if exchange is not None:
            part = exchange.part(position, members)
            rank.issue_own(lambda stream: Plain(stream, *part), partial(npu.delivered, node))
        elif score is not None:
            rank.issue_own(
                lambda stream: Custom(stream, score, members, npu.swallows, npu.fault), partial(npu.over, node)
            )

    def send(self, npu: Npu, node: int, action: Sends) -> None:
        if self._reaches(npu, action.peer, not self._setup.rendezvous):
            done = Deferred(npu.delivered, node)
            self._ranks[npu.rank].post.send(action.tag, npu.rank, action.peer, action.size, done)

    def receive(self, npu: Npu, node: int, action: Receives) -> None:
        if self._reaches(npu, action.peer, self._setup.rendezvous):
            done = Deferred(npu.delivered, node)
            self._ranks[npu.rank].post.receive(action.tag, action.peer, npu.rank, action.size, done)

    def _reaches(self, npu: Npu, peer: int, sends: bool) -> bool:
        """Whether there is such a rank. Raises Stopped where a message `sends` itself off to one that is not."""
        if peer < 0 or (sends and peer >= self._setup.world):
            raise Stopped(aborts(f"rank {npu.rank} sends to rank {peer} of {self._setup.world}"))
        return peer < self._setup.world
