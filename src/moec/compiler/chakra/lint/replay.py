"""Rules on the order of communication, found by playing all ranks through with the simulator's own issue order.

Per rank one CPU operation, one kernel and one communication run at a time, receives besides; whatever is ready is issued
by ascending id (HardwareResource.cc and Workload.cc upstream). Kernels take their time, communication a nominal one, so
that the order is that of the simulator wherever dependencies fix it, and a likely one elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from moec.compiler.chakra.lint.collectives import SIMULATED, chunk_count, collective_name
from moec.compiler.chakra.lint.finding import Finding, Rule
from moec.compiler.chakra.lint.plan import FREE, Letter, Meeting, Plan, groups_of, plan
from moec.compiler.chakra.lint.subject import Subject
from moec.compiler.chakra.trace import SEND
from moec.compiler.chakra.trace_set import Ranks, folded

MISMATCH = Rule(
    "collective-mismatch",
    "error",
    "matches the members' collectives by their order alone: unlike kinds or sizes never meet (exit code 0), like sizes mix silently",
    "issue the collectives of a group in the same order, with the same kind and size, on all its ranks",
)
OUT_OF_STEP = Rule(
    "world-out-of-step",
    "error",
    "numbers a collective of all ranks by the chunks of everything that the rank has issued, in groups too: where these counts differ the ranks never meet; exit code 0, no `finished` line",
    "give all ranks together a group with a number of its own, or let all issue equally many chunks before",
)
ABSENT = Rule(
    "collective-without-peer",
    "error",
    "waits for ever for the members that never issue it: exit code 0, no `finished` line",
    "issue the collective on every member of its group",
)
DEADLOCK = Rule(
    "deadlock",
    "error",
    "comes to rest with these nodes waiting for each other's ranks: exit code 0, no `finished` line",
    "give all ranks one order of communication, by ids and control dependencies",
)
RULES = (MISMATCH, OUT_OF_STEP, ABSENT, DEADLOCK)
_MESSAGE_NS = 1000
_BYTES_PER_NS = 50
"""Nominal cost of communication: it only decides between orders that the traces leave open."""


@dataclass(slots=True)
class _Rank:
    """Where a rank (or all ranks that behave alike) stands."""

    plan: Plan
    ranks: Ranks
    waits: list[int]
    ready: tuple[list[int], list[int], list[int]]
    busy: list[bool]
    calls: dict[str, int] = field(default_factory=dict)
    chunks: int = 0


@dataclass(slots=True)
class _Round:
    """One collective of a group: who came with what, and after how many chunks the first one did."""

    first: Meeting
    after: int
    came: list[tuple[int, int]] = field(default_factory=list)
    unlike: list[tuple[int, int, Meeting]] = field(default_factory=list)
    late: list[tuple[int, int, int]] = field(default_factory=list)


def check(subject: Subject) -> Iterator[Finding]:
    """Findings on order, if all ranks are there and their traces can be played through."""
    members = subject.group_members()
    plans = [_plan(subject, i) for i in range(len(subject.traces.members))]
    ranks = subject.traces.ranks
    if len(ranks) < subject.world or subject.traces.unreadable or not all(p.index for p in plans):
        return
    everybody = tuple(range(subject.world))
    groups = {"": everybody, **members}
    used = {name for p in plans for name in groups_of(p)}
    if not used <= groups.keys() or any(not 0 <= rank < subject.world for name in used for rank in groups[name]):
        return
    actors = _actors(subject, plans)
    yield from _Play(actors, groups, subject).findings()


def _plan(subject: Subject, member: int) -> Plan:
    system, own = subject.system or {}, subject.per_node or {}
    kinds = {k for k in SIMULATED if f"{collective_name(k).replace('_', '-')}-implementation-custom" in system}

    def cut(node: int, kind: int, size: int) -> tuple[int, int]:
        if kind in kinds or node in own:
            return 0, 1
        return size, chunk_count(kind, size, subject.splits, subject.world)

    return plan(subject.traces.members[member].content.trace, subject.system, cut)


def _actors(subject: Subject, plans: Sequence[Plan]) -> list[_Rank]:
    """Ranks with one trace and no messages behave alike and are played once."""
    actors = []
    for p, member in zip(plans, subject.traces.members, strict=True):
        for ranks in [member.ranks] if p.alone else [(rank,) for rank in member.ranks]:
            actors.append(_Rank(p, ranks, list(p.waits), ([], [], []), [False] * 3))
    return actors


class _Play:
    """The play: a heap of ends of operations, and what is open between ranks."""

    def __init__(self, actors: list[_Rank], groups: Mapping[str, Ranks], subject: Subject) -> None:
        self.actors, self.groups, self.world = actors, groups, subject.world
        self.actor_of = {rank: i for i, actor in enumerate(actors) for rank in actor.ranks}
        self.parties: dict[str, frozenset[int]] = {}
        self.rounds: dict[str, list[_Round]] = defaultdict(list)
        self.arrived: dict[tuple[int, int, int, int], int] = defaultdict(int)
        self.expected: dict[tuple[int, int, int, int], list[tuple[int, int]]] = defaultdict(list)
        self.events: list[tuple[int, int, int]] = []
        self.now = 0

    def findings(self) -> Iterator[Finding]:
        """Plays to the end; what was unlike, then what never ended."""
        for i, actor in enumerate(self.actors):
            self._issue(i, actor, [n for n, count in enumerate(actor.waits) if not count])
        while self.events:
            self.now, i, node = heappop(self.events)
            actor = self.actors[i]
            plan, waits, freed = actor.plan, actor.waits, []
            if plan.slot[node] != FREE:
                actor.busy[plan.slot[node]] = False
            for child in plan.children[node]:
                waits[child] -= 1
                if not waits[child]:
                    freed.append(child)
            self._issue(i, actor, freed)
        yield from self._unlike()
        yield from self._out_of_step()
        yield from self._stuck()

    def _issue(self, i: int, actor: _Rank, freed: list[int]) -> None:
        """Queues nodes that wait for nothing any more; starts receives, and the lowest ids that find their slot free."""
        slot, queues = actor.plan.slot, actor.ready
        for node in freed:
            if slot[node] == FREE:
                self._receive(i, node)
            else:
                heappush(queues[slot[node]], node)
        for place, ready in enumerate(queues):
            if ready and not actor.busy[place]:
                actor.busy[place] = True
                self._start(i, actor, heappop(ready))

    def _start(self, i: int, actor: _Rank, node: int) -> None:
        call = actor.plan.call[node]
        if call is None:
            heappush(self.events, (self.now + actor.plan.time_ns[node], i, node))
        elif isinstance(call, Meeting):
            self._meet(i, actor, node, call)
        else:
            self._send(i, actor, node, call)

    def _meet(self, i: int, actor: _Rank, node: int, call: Meeting) -> None:
        group = call.group
        if i not in self._party(group):
            return  # another rule's: the simulator aborts here
        turn = actor.calls.get(group, 0)
        actor.calls[group] = turn + 1
        rounds = self.rounds[group]
        if turn == len(rounds):
            rounds.append(_Round(call, actor.chunks))
        here = rounds[turn]
        here.came.append((i, node))
        if call != here.first:
            here.unlike.append((i, node, call))
        if not group and actor.chunks != here.after:
            here.late.append((i, node, actor.chunks))
        actor.chunks += call.chunks
        if len(here.came) == len(self._party(group)):
            end = self.now + _MESSAGE_NS + call.size // _BYTES_PER_NS
            for j, other in here.came:
                heappush(self.events, (end, j, other))

    def _party(self, group: str) -> frozenset[int]:
        """The actors of a group's members."""
        if group not in self.parties:
            self.parties[group] = frozenset(self.actor_of.get(rank, -1) for rank in self.groups[group])
        return self.parties[group]

    def _send(self, i: int, actor: _Rank, node: int, call: Letter) -> None:
        end = self.now + _MESSAGE_NS + call.size // _BYTES_PER_NS
        heappush(self.events, (end, i, node))
        key = (call.tag, actor.ranks[0], call.peer, call.size)
        waiting = self.expected[key]
        if waiting:
            j, other = waiting.pop(0)
            heappush(self.events, (end, j, other))
        else:
            self.arrived[key] += 1

    def _receive(self, i: int, node: int) -> None:
        actor = self.actors[i]
        call = actor.plan.call[node]
        if not isinstance(call, Letter):
            return
        key = (call.tag, call.peer, actor.ranks[0], call.size)
        if self.arrived[key]:
            self.arrived[key] -= 1
            heappush(self.events, (self.now + 1, i, node))
        else:
            self.expected[key].append((i, node))

    def _unlike(self) -> Iterator[Finding]:
        """The first round of each group in which members disagree; the rest follows from it."""
        for group, rounds in self.rounds.items():
            for turn, here in enumerate(rounds):
                if here.unlike:
                    first, lead = self.actors[here.came[0][0]], here.came[0][1]
                    peer = f"{_told(here.first)} (node {_id(first.plan, lead)} of {folded(first.ranks[:1])})"
                    for i, node, call in here.unlike:
                        what = f"collective {turn + 1} of {_group(group)} is {_told(call)} here and {peer} elsewhere"
                        yield self._finding(MISMATCH, i, node, what)
                    break

    def _out_of_step(self) -> Iterator[Finding]:
        """The first collective of all ranks that they come to after unlike numbers of chunks."""
        for turn, here in enumerate(self.rounds.get("", ())):
            if here.late:
                first = folded(self.actors[here.came[0][0]].ranks[:1])
                for i, node, count in here.late:
                    what = f"collective {turn + 1} of all ranks comes after {count} chunks here, after {here.after} on {first}"
                    yield self._finding(OUT_OF_STEP, i, node, what)
                return

    def _stuck(self) -> Iterator[Finding]:
        """What was issued and never ended."""
        for group, rounds in self.rounds.items():
            for turn, here in enumerate(rounds):
                party = self._party(group)
                if len(here.came) == len(party):
                    continue
                missing = party - {i for i, _ in here.came}
                total = {j: self._total(j, group) for j in missing if j >= 0}
                absent = tuple(sorted(r for j, n in total.items() if n <= turn for r in self.actors[j].ranks))
                for i, node in here.came:
                    if absent:
                        what = f"collective {turn + 1} of {_group(group)}, which {folded(absent)} never issue"
                        yield self._finding(ABSENT, i, node, what)
                    else:
                        late = tuple(sorted(r for j in missing if j >= 0 for r in self.actors[j].ranks))
                        yield self._finding(DEADLOCK, i, node, f"waits for {folded(late)}, held up elsewhere")
        for (tag, source, _, size), waiting in self.expected.items():
            for i, node in waiting:
                if self._will_send(source, tag, self.actors[i].ranks[0], size):
                    yield self._finding(
                        DEADLOCK, i, node, f"waits for rank {source} to send, which is held up elsewhere"
                    )

    def _total(self, actor: int, group: str) -> int:
        return groups_of(self.actors[actor].plan)[group]

    def _will_send(self, source: int, tag: int, target: int, size: int) -> bool:
        """Whether a rank has such a send at all: a receive without one is another rule's."""
        actor = self.actor_of.get(source)
        return actor is not None and Letter(SEND, tag, target, size) in self.actors[actor].plan.call

    def _finding(self, rule: Rule, i: int, node: int, sentence: str) -> Finding:
        actor = self.actors[i]
        at = actor.plan.index[node]
        trace = actor.plan.trace
        return Finding(rule, sentence, actor.ranks, int(trace.id[at]), trace.name(at), 1)


def _id(plan: Plan, node: int) -> int:
    return int(plan.trace.id[plan.index[node]])


def _group(group: str) -> str:
    return f"group {group}" if group else "all ranks"


def _told(call: Meeting) -> str:
    return f"{collective_name(call.kind)} of {call.size} bytes"
