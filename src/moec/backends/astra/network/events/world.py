"""An exact simulation of collectives: every message, link, endpoint and queue of every member, event by event."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from moec.backends.astra.network.events.algorithms import algorithm_of
from moec.backends.astra.network.events.clock import Clock
from moec.backends.astra.network.events.post import Post
from moec.backends.astra.network.events.rank import Rank
from moec.backends.astra.network.events.wires import wires_of
from moec.backends.astra.network.plan import Plan
from moec.backends.astra.network.refusal import Refusal, Stopped, hangs
from moec.backends.astra.network.topology import AstraNetwork


@dataclass(frozen=True, slots=True)
class Start:
    """A collective that `members` start at `at_ns`. `number` of its first stream, which keeps its messages apart."""

    plan: Plan
    members: tuple[int, ...]
    at_ns: int = 0
    number: int = 0


def simulate(network: AstraNetwork, starts: tuple[Start, ...]) -> list[dict[int, int]] | Refusal:
    """When each member of each collective is done (its rank to absolute nanoseconds), all on one network."""
    clock = Clock()
    post = Post(clock, wires_of(network, clock), network.ranks)
    ranks: dict[int, Rank] = {}
    ends: list[dict[int, int]] = [{} for _ in starts]

    def note(end: dict[int, int], member: int) -> None:
        end[member] = clock.now

    def issue(which: tuple[int, Start]) -> None:
        index, start = which
        for member in start.members:
            rank = ranks.setdefault(member, Rank(member, network, clock, post, algorithm_of))
            rank.issue(start.plan, start.number, partial(note, ends[index], member))

    try:
        for which in enumerate(starts):
            if which[1].at_ns == 0:
                issue(which)
            else:
                clock.at(which[1].at_ns, issue, which)
        clock.run()
    except Stopped as stopped:
        return stopped.refusal
    if any(len(end) < len(start.members) for end, start in zip(ends, starts, strict=True)):
        return hangs("some ranks wait for messages that nobody sends")
    return ends
