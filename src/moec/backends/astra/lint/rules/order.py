"""Rules on the order of communication, by what a play of all ranks comes to (`play.py`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from moec.backends.astra.lint.finding import Finding, Rule
from moec.backends.astra.lint.rules.collectives import SIMULATED, chunk_count, collective_name
from moec.backends.astra.lint.rules.nodes import without_statistics
from moec.backends.astra.lint.rules.play import Actor, Play
from moec.backends.astra.lint.rules.playable import Letter, Meeting, Plan, groups_of, plan
from moec.backends.astra.lint.subject import Subject
from moec.compiler.chakra.trace import SEND
from moec.compiler.chakra.trace_set import folded

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
MESSAGE_LAST = Rule(
    "statistics-abort",
    "error",
    "aborts (`Only GPU and COMM types are supported for overlap extraction`) when a message is the last to end on a rank with CPU or memory operations",
    "let a kernel of 1 ns wait for the last message",
)
RULES = (MISMATCH, OUT_OF_STEP, ABSENT, DEADLOCK, MESSAGE_LAST)


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
    play = Play(_actors(subject, plans), groups)
    play.run()
    yield from _unlike(play)
    yield from _out_of_step(play)
    yield from _stuck(play)
    yield from _messages_last(play)


def _plan(subject: Subject, member: int) -> Plan:
    system, own = subject.system or {}, subject.per_node or {}
    splits, world = subject.splits, subject.world
    kinds = {k for k in SIMULATED if f"{collective_name(k).replace('_', '-')}-implementation-custom" in system}

    def cut(node: int, kind: int, size: int) -> tuple[int, int]:
        if kind in kinds or node in own:
            return 0, 1
        return size, chunk_count(kind, size, splits, world)

    return plan(subject.traces.members[member].content.trace, subject.system, cut)


def _actors(subject: Subject, plans: Sequence[Plan]) -> list[Actor]:
    """Ranks with one trace and no messages behave alike and are played once."""
    actors = []
    for p, member in zip(plans, subject.traces.members, strict=True):
        for ranks in [member.ranks] if p.alone else [(rank,) for rank in member.ranks]:
            actors.append(Actor(p, ranks, list(p.waits), ([], [], []), [False] * 3))
    return actors


def _unlike(play: Play) -> Iterator[Finding]:
    """The first round of each group in which members disagree; the rest follows from it."""
    for group, rounds in play.rounds.items():
        for turn, here in enumerate(rounds):
            if here.unlike:
                first, lead = play.actors[here.came[0][0]], here.came[0][1]
                peer = f"{_told(here.first)} (node {_id(first.plan, lead)} of {folded(first.ranks[:1])})"
                for i, node, call in here.unlike:
                    what = f"collective {turn + 1} of {_group(group)} is {_told(call)} here and {peer} elsewhere"
                    yield _finding(play, MISMATCH, i, node, what)
                break


def _out_of_step(play: Play) -> Iterator[Finding]:
    """The first collective of all ranks that they come to after unlike numbers of chunks."""
    for turn, here in enumerate(play.rounds.get("", ())):
        if here.late:
            first = folded(play.actors[here.came[0][0]].ranks[:1])
            for i, node, count in here.late:
                what = (
                    f"collective {turn + 1} of all ranks comes after {count} chunks here, after {here.after} on {first}"
                )
                yield _finding(play, OUT_OF_STEP, i, node, what)
            return


def _stuck(play: Play) -> Iterator[Finding]:
    """What was issued and never ended."""
    for group, rounds in play.rounds.items():
        for turn, here in enumerate(rounds):
            party = play.party(group)
            if len(here.came) == len(party):
                continue
            missing = party - {i for i, _ in here.came}
            total = {j: _total(play, j, group) for j in missing if j >= 0}
            absent = tuple(sorted(r for j, n in total.items() if n <= turn for r in play.actors[j].ranks))
            for i, node in here.came:
                if absent:
                    what = f"collective {turn + 1} of {_group(group)}, never issued by {folded(absent)}"
                    yield _finding(play, ABSENT, i, node, what)
                else:
                    late = tuple(sorted(r for j in missing if j >= 0 for r in play.actors[j].ranks))
                    yield _finding(play, DEADLOCK, i, node, f"waits for {folded(late)}, held up elsewhere")
    for (tag, source, _, size), waiting in play.expected.items():
        for i, node in waiting:
            if _will_send(play, source, tag, play.actors[i].ranks[0], size):
                yield _finding(play, DEADLOCK, i, node, f"waits for rank {source} to send, which is held up elsewhere")


def _messages_last(play: Play) -> Iterator[Finding]:
    """Ranks whose statistics cannot be worked out, and are outside of where the simulator survives that."""
    for i, actor in enumerate(play.actors):
        trace, at = actor.plan.trace, actor.plan.index
        if actor.done < len(at) or not isinstance(actor.plan.call[actor.last], Letter):
            continue
        if (without_statistics(trace)[at]).any():
            yield _finding(
                play, MESSAGE_LAST, i, actor.last, "the last to end, on a rank with CPU or memory operations"
            )


def _total(play: Play, actor: int, group: str) -> int:
    return groups_of(play.actors[actor].plan)[group]


def _will_send(play: Play, source: int, tag: int, target: int, size: int) -> bool:
    """Whether a rank has such a send at all: a receive without one is another rule's."""
    actor = play.actor_of.get(source)
    return actor is not None and Letter(SEND, tag, target, size) in play.actors[actor].plan.call


def _finding(play: Play, rule: Rule, i: int, node: int, sentence: str) -> Finding:
    actor = play.actors[i]
    at = actor.plan.index[node]
    trace = actor.plan.trace
    return Finding(rule, sentence, actor.ranks, int(trace.id[at]), trace.name(at), 1)


def _id(plan: Plan, node: int) -> int:
    return int(plan.trace.id[plan.index[node]])


def _group(group: str) -> str:
    return f"group {group}" if group else "all ranks"


def _told(call: Meeting) -> str:
    return f"{collective_name(call.kind)} of {call.size} bytes"
