"""When each member of an exchange is done on ASTRA-sim's network, members being ready at different times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from moec.arrays import Ints
from moec.backends.astra.network.collective import collective_ns
from moec.backends.astra.network.events.clock import Clock
from moec.backends.astra.network.events.walk import blocks
from moec.backends.astra.network.events.wires import wires_of
from moec.backends.astra.network.events.world import Start, simulate
from moec.backends.astra.network.plan import Plan, plan_of
from moec.backends.astra.network.refusal import Refusal, Stopped, hangs
from moec.backends.astra.network.rings import is_ring, new_track, ring_ends
from moec.backends.astra.network.topology import AstraNetwork, Kind

MOST_MESSAGES = 200_000
"""Up to so many messages a staggered collective is simulated one by one (about a second); beyond, see `collective_ends`."""


class Exchange(Protocol):
    """An exchange of a block: all its repeats, in all subsets of a group."""

    def ends(self, repeat: int, starts: Ints) -> Ints | Refusal:
        """Absolute nanoseconds at which each member is done, `[subsets, n]` as its `starts` > 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Collectives:
    """Of `sizes` `[repeats, subsets]`, see `collective_ends`; either may be one for all. `members` `[subsets, n]`: ranks."""

    kind: Kind
    sizes: Ints
    network: AstraNetwork
    members: Ints

    def ends(self, repeat: int, starts: Ints) -> Ints | Refusal:
        """See `Exchange`."""
        sizes = self.sizes[min(repeat, len(self.sizes) - 1)]
        return _subset_by_subset(
            lambda subset, ranks: collective_ends(
                self.kind, int(sizes[min(subset, len(sizes) - 1)]), self.network, ranks, starts[subset]
            ),
            self.members,
        )


@dataclass(frozen=True, slots=True, eq=False)
class SendsInTurn:
    """Of `pairs` `[repeats, subsets, n, n]`, see `sends_ends`; as `Collectives`."""

    pairs: Ints
    network: AstraNetwork
    members: Ints

    def ends(self, repeat: int, starts: Ints) -> Ints | Refusal:
        """See `Exchange`."""
        pairs = self.pairs[min(repeat, len(self.pairs) - 1)]
        return _subset_by_subset(
            lambda subset, ranks: sends_ends(pairs[min(subset, len(pairs) - 1)], self.network, ranks, starts[subset]),
            self.members,
        )


def _subset_by_subset(ends: Callable[[int, tuple[int, ...]], Ints | Refusal], members: Ints) -> Ints | Refusal:
    done = np.empty_like(members)
    for subset, ranks in enumerate(members.tolist()):
        result = ends(subset, tuple(ranks))
        if isinstance(result, Refusal):
            return result
        done[subset] = result
    return done


def collective_ends(
    kind: Kind, size: int, network: AstraNetwork, members: tuple[int, ...], starts: Ints
) -> Ints | Refusal:
    """Absolute nanoseconds at which each of `members` (ascending ranks) is done; `starts` `[n]` > 0.

    Exact where all start at once, for rings, and where they exchange at most `MOST_MESSAGES`. Another collective that is
    larger is taken to begin with its last member, which is late by no more than the last one was.
    """
    first = int(starts.min())
    group = None if len(members) == network.ranks else _anywhere(members, network)
    offsets = tuple((starts - first).tolist())
    plan = plan_of(kind, size, network, group)
    if any(offsets) and not isinstance(plan, Refusal):
        ring = group or tuple(range(network.ranks))
        if is_ring(plan, network):
            return ring_ends(plan, network, ring, starts, new_track(len(members)))
        if plan.pieces * len(ring) * sum(blocks(phase) for phase in plan.phases) <= MOST_MESSAGES:
            ends = _staggered(kind, size, network, group, offsets)
            return ends if isinstance(ends, Refusal) else first + np.array(ends)
    time = collective_ns(kind, size, network, group)
    return time if isinstance(time, Refusal) else np.full(len(members), int(starts.max()) + time)


def _anywhere(members: tuple[int, ...], network: AstraNetwork) -> tuple[int, ...]:
    """On one dimension where all pairs are alike, any ranks will do; so that like groups are looked up once."""
    alike = len(network.dimensions) == 1 and network.dimensions[0].topology != "Ring"
    return tuple(range(len(members))) if alike else members


@lru_cache(maxsize=65536)
def _staggered(
    kind: Kind, size: int, network: AstraNetwork, group: tuple[int, ...] | None, offsets: tuple[int, ...]
) -> tuple[int, ...] | Refusal:
    """Ends counted from the first start."""
    plan = plan_of(kind, size, network, group)
    if isinstance(plan, Refusal):
        return plan
    members = group or tuple(range(network.ranks))
    ends = simulate(network, _starts(plan, members, offsets))
    if isinstance(ends, Refusal):
        return ends
    done = {rank: end for part in ends for rank, end in part.items()}
    return tuple(done[rank] - 1 for rank in members)


def _starts(plan: Plan, members: tuple[int, ...], offsets: tuple[int, ...]) -> tuple[Start, ...]:
    """One for each time at which members start; the simulation begins at 1."""
    by_time = sorted(Counter(offsets))
    return tuple(
        Start(plan, tuple(m for m, o in zip(members, offsets, strict=True) if o == time), time + 1) for time in by_time
    )


def sends_ends(pairs: Ints, network: AstraNetwork, members: tuple[int, ...], starts: Ints) -> Ints | Refusal:
    """The same for an all-to-all as sends in the traces: member m's to m + 1 and on round, each after the last arrived.

    `pairs` `[n, n]` bytes, at least one each off the diagonal.
    """
    n, first = len(pairs), int(starts.min())
    offsets = tuple((starts - first).tolist())
    ends = _sends(np.ascontiguousarray(pairs).tobytes(), n, network, members, offsets)
    return ends if isinstance(ends, Refusal) else first + np.array(ends)


@lru_cache(maxsize=1024)
def _sends(
    matrix: bytes, n: int, network: AstraNetwork, members: tuple[int, ...], offsets: tuple[int, ...]
) -> tuple[int, ...] | Refusal:
    pairs = np.frombuffer(matrix, dtype=np.int64).reshape(n, n).tolist()
    clock = Clock()
    wires = wires_of(network, clock)
    ends = [offset + 1 for offset in offsets]
    left = [n - 1] * n

    def send(m: int) -> None:
        if left[m]:
            peer = (m + n - left[m]) % n
            wires.send(members[m], members[peer], pairs[m][peer], arrived, (m, peer))

    def arrived(message: tuple[int, int]) -> None:
        for m in message:
            ends[m] = max(ends[m], clock.now)
        left[message[0]] -= 1
        send(message[0])

    try:
        for m in range(n):
            clock.at(offsets[m] + 1, send, m)
        clock.run()
    except Stopped as stopped:
        return stopped.refusal
    return tuple(end - 1 for end in ends) if not any(left) else hangs("a send that nobody receives")
