"""The exact replay: every message, link, endpoint and queue of every rank, event by event, as ASTRA-sim runs it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from moec.backends.fast.astra.clock import Clock
from moec.backends.fast.astra.network import Kind
from moec.backends.fast.astra.plan import Plan, plan_of
from moec.backends.fast.astra.post import Post
from moec.backends.fast.astra.rank import Rank
from moec.backends.fast.astra.refusal import Refusal, Stopped, aborts, hangs
from moec.backends.fast.astra.wires import wires_of
from moec.backends.fast.replay.custom import Custom, Score, score_of
from moec.backends.fast.replay.npu import Npu
from moec.backends.fast.replay.program import Gathers, Receives, Sends
from moec.backends.fast.replay.program import Stores as Access
from moec.backends.fast.replay.setup import Setup
from moec.backends.fast.replay.store import Stores
from moec.backends.fast.replay.system import key_of

_GROUP_STREAMS = 1_000_000
"""A group counts its streams from its number times this (CommunicatorGroup.cc)."""


class Calls:
    """What a collective of a rank becomes: its stream number, its plan or custom set, as the simulator looks them up."""

    __slots__ = ("_chosen", "_plans", "_scores", "_setup", "_streams")

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._chosen: dict[tuple[int, int, Kind], str] = {}
        self._plans: dict[Gathers, Plan | Refusal] = {}
        self._scores: dict[tuple[str, int], Score] = {}
        self._streams: dict[tuple[int, int], int] = {}

    def members(self, npu: Npu, action: Gathers) -> tuple[int, ...]:
        """Ranks in ring order. Raises Stopped where the group is not sound."""
        if not action.group:
            return tuple(range(self._setup.world))
        members = self._setup.groups.get(action.group)
        if members is None:
            told = f"`For rank {npu.rank} ET node {action.node}, communicator group {action.group} not found`"
            raise Stopped(Refusal("exits", 1, told))
        if any(not 0 <= member < self._setup.world for member in members):
            raise Stopped(aborts(f"group {action.group} names a rank beyond the {self._setup.world} of the network"))
        return members

    def custom(self, npu: Npu, action: Gathers) -> str:
        """The prefix of the custom set, empty for none. A group keeps what its first collective of a kind was."""
        if not action.group:
            return self._lookup(npu, action)
        key = (npu.rank, action.group, action.kind)
        if key not in self._chosen:
            self._chosen[key] = self._lookup(npu, action)
        return self._chosen[key]

    def _lookup(self, npu: Npu, action: Gathers) -> str:
        setup = self._setup
        prefix = setup.per_node.get(action.node) or setup.system.custom.get(action.kind, "")
        if not prefix and not setup.network.algorithms(action.kind):
            raise npu.fault(f"`No collective implementation found`: `{key_of(action.kind)}` is missing")
        return prefix

    def plan(self, npu: Npu, action: Gathers, members: tuple[int, ...]) -> Plan:
        """The streams of a native collective. Raises Stopped where it never ends or stops the simulator."""
        key = action._replace(node=0)
        if key not in self._plans:
            self._plans[key] = self._planned(action, members)
        plan = self._plans[key]
        if isinstance(plan, Refusal):
            raise Stopped(Refusal(plan.outcome, plan.status, f"rank {npu.rank}, node {action.node}: {plan.reason}"))
        if action.group and npu.rank not in members:
            raise Stopped(aborts(f"`Assertion index_in_ring >= 0`: rank {npu.rank} is not in group {action.group}"))
        return plan

    def _planned(self, action: Gathers, members: tuple[int, ...]) -> Plan | Refusal:
        network, dims = self._setup.network, len(self._setup.network.dimensions)
        if network.splits <= 0:
            return Refusal("crashes", -8, "a collective is divided by `preferred-dataset-splits`, which is missing or 0")
        if len(set(members)) < len(members):
            return hangs(f"group {action.group} names a rank twice")
        if action.involved is not None and not action.group and len(action.involved) < dims:
            return hangs("`involved_dim` has fewer entries than the network has dimensions")
        if not self._setup.system.optimized and dims > 1 and action.kind == "all_reduce":
            return hangs("without `collective-optimization` an all-reduce over several dimensions was seen to hang")
        involved = action.involved if not action.group else None
        return plan_of(action.kind, action.size, network, members if action.group else None, involved)

    def score(self, prefix: str, action: Gathers, position: int) -> Score:
        """One member's part of a custom set."""
        network = self._setup.network
        if network.splits <= 0:
            raise Stopped(Refusal("crashes", -8, "a collective is divided by `preferred-dataset-splits`, which is 0"))
        if network.splits > 1 or (action.kind == "all_gather" and not action.size):
            raise Stopped(hangs("a custom set in several pieces never ends: only one of them is started"))
        if (prefix, position) not in self._scores:
            self._scores[prefix, position] = self._read(prefix, position)
        return self._scores[prefix, position]

    def _read(self, prefix: str, position: int) -> Score:
        name = f"{prefix}.{position}.et"
        for path in (Path(name), self._setup.beside / name):
            try:
                return score_of(path.read_bytes(), name)
            except FileNotFoundError:
                continue
        raise Stopped(Refusal("exits", 1, f"`Cannot access et file for collective algorithm`: {name}"))

    def number(self, npu: Npu, group: int, count: int) -> int:
        """The number of the first of `count` streams. A rank counts all its streams, a group its own besides."""
        own = self._streams.get((npu.rank, 0), 0)
        self._streams[npu.rank, 0] = own + count
        if not group:
            return own
        first = self._streams.get((npu.rank, group), _wrapped(group * _GROUP_STREAMS))
        self._streams[npu.rank, group] = first + count
        return first


def _wrapped(number: int) -> int:
    """32 bits with a sign."""
    return (number + 2**31) % 2**32 - 2**31


class EventMachine:
    """All ranks on one network. `npus` know when they finished after `run`."""

    def __init__(self, setup: Setup, *, detail: bool = False) -> None:
        self._setup, self._calls = setup, Calls(setup)
        self._clock = Clock()
        post = Post(self._clock, wires_of(setup.network, self._clock), rendezvous=setup.rendezvous)
        self._ranks = [Rank(rank, setup.network, self._clock, post) for rank in range(setup.world)]
        self._stores = Stores(setup.memory)
        self.npus = [Npu(rank, program, self, detail=detail) for rank, program in enumerate(setup.programs)]

    def run(self) -> None:
        """Until nothing is left to happen. Raises Stopped where the simulator ends early."""
        for npu in self.npus:
            npu.fire()
        self._clock.run()

    def now(self) -> int:
        return self._clock.now

    def last(self, npu: Npu, node: int, ns: int) -> None:
        self._ranks[npu.rank].desk.after(ns, npu.ended, node)

    def store(self, npu: Npu, node: int, action: Access) -> None:
        self._stores.access(npu.rank, action.size, self._ranks[npu.rank].desk, npu.ended, node)

    def gather(self, npu: Npu, node: int, action: Gathers) -> None:
        calls, rank = self._calls, self._ranks[npu.rank]
        prefix, members = calls.custom(npu, action), calls.members(npu, action)
        if prefix:
            position = sorted(members).index(npu.rank) if npu.rank in members else -1
            score = calls.score(prefix, action, position)
            calls.number(npu, action.group, 1)
            rank.issue_own(
                lambda stream: Custom(stream, score, members, npu.swallows, npu.fault), partial(npu.over, node)
            )
        else:
            plan = calls.plan(npu, action, members)
            first = calls.number(npu, action.group, plan.pieces)
            rank.issue(plan, first, partial(npu.ended, node), family=action.kind)

    def send(self, npu: Npu, node: int, action: Sends) -> None:
        self._reaches(npu, action.peer)
        self._ranks[npu.rank].post.send(action.tag, npu.rank, action.peer, action.size, partial(npu.delivered, node))

    def receive(self, npu: Npu, node: int, action: Receives) -> None:
        done = partial(npu.delivered, node)
        self._ranks[npu.rank].post.receive(action.tag, action.peer, npu.rank, action.size, done)

    def _reaches(self, npu: Npu, peer: int) -> None:
        if not 0 <= peer < self._setup.world:
            raise Stopped(aborts(f"rank {npu.rank} sends to rank {peer} of {self._setup.world}"))
