"""When each member of a collective is done that has its links to itself, whenever each of them begins."""

from __future__ import annotations

from functools import lru_cache

from moec.backends.astra.network.events.algorithms import algorithm_of
from moec.backends.astra.network.events.clock import Clock
from moec.backends.astra.network.events.post import Post
from moec.backends.astra.network.events.rank import Rank
from moec.backends.astra.network.events.wires import wires_of
from moec.backends.astra.network.plan import Plan
from moec.backends.astra.network.refusal import Refusal, hangs
from moec.backends.astra.network.topology import AstraNetwork


@lru_cache(maxsize=4096)
def apart_ns(
    plan: Plan, network: AstraNetwork, members: tuple[int, ...], starts: tuple[int, ...]
) -> tuple[int, ...] | Refusal:
    """When each member is done, absolute nanoseconds, where member i begins at `starts[i]`; they come in that order."""
    clock = Clock()
    post = Post(clock, wires_of(network, clock), network.ranks, counted=True)
    ends = [-1] * len(members)

    def begin(i: int) -> None:
        def done() -> None:
            ends[i] = clock.now

        Rank(members[i], network, clock, post, algorithm_of).issue(plan, 0, done)

    for i in range(len(members)):
        if starts[i]:
            clock.at(starts[i], begin, i)
        else:
            begin(i)
    clock.run()
    return hangs("some members wait for messages that nobody sends") if min(ends) < 0 else tuple(ends)
