"""Playing all ranks of a trace set through with the simulator's own issue order.

Per rank one CPU operation, one kernel and one communication run at a time, receives besides; whatever is ready is issued
by ascending id (HardwareResource.cc and Workload.cc upstream). Kernels take their time, communication a nominal one, so
that the order is that of the simulator wherever dependencies fix it, and a likely one elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush

from moec.backends.astra.lint.rules.playable import COMM, CPU, FREE, GPU, Letter, Meeting, Plan
from moec.compiler.chakra.trace_set import Ranks

_SLOTS = (CPU, GPU, COMM)
_MESSAGE_NS = 1000
_BYTES_PER_NS = 50
"""Nominal cost of communication: it only decides between orders that the traces leave open."""


@dataclass(slots=True)
class Actor:
    """Where a rank (or all ranks that behave alike) stands. `done`: how many nodes have ended; `last`: the latest."""

    plan: Plan
    ranks: Ranks
    waits: list[int]
    ready: tuple[list[int], list[int], list[int]]
    busy: list[bool]
    calls: dict[str, int] = field(default_factory=dict)
    chunks: int = 0
    done: int = 0
    last: int = -1


@dataclass(slots=True)
class Round:
    """One collective of a group: who came with what, and after how many chunks the first one did."""

    first: Meeting
    after: int
    came: list[tuple[int, int]] = field(default_factory=list)
    unlike: list[tuple[int, int, Meeting]] = field(default_factory=list)
    late: list[tuple[int, int, int]] = field(default_factory=list)


class Play:
    """The play: a heap of ends of operations, and what is open between ranks."""

    def __init__(self, actors: list[Actor], groups: Mapping[str, Ranks]) -> None:
        self.actors, self.groups = actors, groups
        self.actor_of = {rank: i for i, actor in enumerate(actors) for rank in actor.ranks}
        self.parties: dict[str, frozenset[int]] = {}
        self.rounds: dict[str, list[Round]] = defaultdict(list)
        self.arrived: dict[tuple[int, int, int, int], int] = defaultdict(int)
        self.expected: dict[tuple[int, int, int, int], list[tuple[int, int]]] = defaultdict(list)
        self.events: list[tuple[int, int, int, tuple[tuple[int, int], ...]]] = []
        """When, which actor, which of its nodes ends, and what ends with it: the rest of a collective."""
        self.now = 0

    def run(self) -> None:
        """Plays until nothing more can happen."""
        for i, actor in enumerate(self.actors):
            self._issue(i, actor, [n for n, count in enumerate(actor.waits) if not count])
        while self.events:
            self.now, i, node, others = heappop(self.events)
            self._end(i, node)
            for j, other in others:
                self._end(j, other)

    def _end(self, i: int, node: int) -> None:
        actor = self.actors[i]
        plan, waits, freed = actor.plan, actor.waits, []
        actor.done += 1
        actor.last = node
        if plan.slot[node] != FREE:
            actor.busy[plan.slot[node]] = False
        for child in plan.children[node]:
            waits[child] -= 1
            if not waits[child]:
                freed.append(child)
        self._issue(i, actor, freed)

    def _issue(self, i: int, actor: Actor, freed: list[int]) -> None:
        """Queues nodes that wait for nothing any more; starts receives, and the lowest ids that find their slot free."""
        slot, queues, busy = actor.plan.slot, actor.ready, actor.busy
        for node in freed:
            place = slot[node]
            if place == FREE:
                self._receive(i, actor, node)
            elif len(freed) > 1 or busy[place] or queues[place]:
                heappush(queues[place], node)
            else:  # mostly there is one, and its slot is free: nothing to choose from
                busy[place] = True
                self._start(i, actor, node)
        for place in _SLOTS:
            if queues[place] and not busy[place]:
                busy[place] = True
                self._start(i, actor, heappop(queues[place]))

    def _start(self, i: int, actor: Actor, node: int) -> None:
        call = actor.plan.call[node]
        if call is None:
            heappush(self.events, (self.now + actor.plan.time_ns[node], i, node, ()))
        elif isinstance(call, Meeting):
            self._meet(i, actor, node, call)
        else:
            self._send(i, actor, node, call)

    def _meet(self, i: int, actor: Actor, node: int, call: Meeting) -> None:
        group = call.group
        party = self.parties.get(group) or self.party(group)
        if i not in party:
            return  # another rule's: the simulator aborts here
        turn = actor.calls.get(group, 0)
        actor.calls[group] = turn + 1
        rounds = self.rounds[group]
        if turn == len(rounds):
            rounds.append(Round(call, actor.chunks))
        here = rounds[turn]
        here.came.append((i, node))
        if call != here.first:
            here.unlike.append((i, node, call))
        if not group and actor.chunks != here.after:
            here.late.append((i, node, actor.chunks))
        actor.chunks += call.chunks
        if len(here.came) == len(party):
            end = self.now + _MESSAGE_NS + call.size // _BYTES_PER_NS
            heappush(self.events, (end, i, node, tuple(here.came[:-1])))

    def party(self, group: str) -> frozenset[int]:
        """The actors of a group's members."""
        if group not in self.parties:
            self.parties[group] = frozenset(self.actor_of.get(rank, -1) for rank in self.groups[group])
        return self.parties[group]

    def _send(self, i: int, actor: Actor, node: int, call: Letter) -> None:
        end = self.now + _MESSAGE_NS + call.size // _BYTES_PER_NS
        heappush(self.events, (end, i, node, ()))
        key = (call.tag, actor.ranks[0], call.peer, call.size)
        waiting = self.expected.get(key)
        if waiting:
            j, other = waiting.pop(0)
            heappush(self.events, (end, j, other, ()))
        else:
            self.arrived[key] += 1

    def _receive(self, i: int, actor: Actor, node: int) -> None:
        call = actor.plan.call[node]
        if not isinstance(call, Letter):
            return
        key = (call.tag, call.peer, actor.ranks[0], call.size)
        if self.arrived.get(key):
            self.arrived[key] -= 1
            heappush(self.events, (self.now + 1, i, node, ()))
        else:
            self.expected[key].append((i, node))
