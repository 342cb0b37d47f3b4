"""Ring collectives whose members begin when they like: step by step for all members at once.

On a ring a member sends to one other only, so that links carry its messages in their order and no two senders meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from moec.arrays import Ints
from moec.backends.astra.network.events.ring_step import step
from moec.backends.astra.network.events.walk import blocks
from moec.backends.astra.network.link import hop_ns, reduction_ns, serialization_ns, unaware_ns
from moec.backends.astra.network.plan import LAST, Phase, Plan
from moec.backends.astra.network.topology import AstraNetwork


@dataclass(slots=True, eq=False)
class Track:
    """When each member's way out and the way in to each member are free, absolute nanoseconds `[members]`."""

    out: Ints
    into: Ints

    def busy(self, time: int) -> bool:
        """Whether a link is still in use then."""
        return bool((self.out > time).any() or (self.into > time).any())


def new_track(members: int) -> Track:
    """Links that were never used."""
    return Track(np.zeros(members, dtype=np.int64), np.zeros(members, dtype=np.int64))


@lru_cache(maxsize=4096)
def is_ring(plan: Plan, network: AstraNetwork) -> bool:
    """Whether a collective is nothing but rings, one message of a member at a time, that keep to links of their own."""
    if any(phase.algorithm != "ring" or message_bytes(phase) == 0 for phase in plan.phases):
        return False
    if network.queues > 1 or (plan.pieces > 1 and (network.concurrent > 1 or len(plan.phases) > 1)):
        return False
    if network.congestion == "unaware":
        return True
    return network.dimensions[0].topology != "Ring" or plan.phases[0].group is None


def ring_ends(plan: Plan, network: AstraNetwork, members: tuple[int, ...], starts: Ints, track: Track) -> Ints:
    """When each of `members` (in any order, that of `track`) is done that begins at `starts`; `track` is moved on."""
    times = starts
    for phase in plan.phases:
        before = _before(phase, members)
        for _ in range(plan.pieces):
            times = _phase_ends(phase, network, plan.delay_ns, members, before, times, track)
    return times


@lru_cache(maxsize=256)
def _before(phase: Phase, members: tuple[int, ...]) -> Ints:
    """Which of the members sends to each."""
    step = -1 if phase.part == LAST else 1
    place = {rank: i for i, rank in enumerate(members)}
    before = np.empty(len(members), dtype=np.int64)
    for i, rank in enumerate(members):
        ring = phase.ring(rank)
        before[i] = place[ring[(ring.index(rank) - step) % len(ring)]]
    return before


def message_bytes(phase: Phase) -> int:
    """Bytes of each message."""
    return phase.bytes if phase.kind == "all_gather" else phase.bytes // phase.size


def _phase_ends(
    phase: Phase,
    network: AstraNetwork,
    delay_ns: int,
    members: tuple[int, ...],
    before: Ints,
    starts: Ints,
    track: Track,
) -> Ints:
    """Moves `track` on. A member's next message leaves an endpoint's delay, and a reduction, after the last one has come in."""
    size = message_bytes(phase)
    reduce = reduction_ns(size, network.local_mem_bw)
    reduced = phase.size - 1 if phase.kind in ("all_reduce", "reduce_scatter") else 0
    dim = network.dimensions[0]
    hold, hop = serialization_ns(size, dim), hop_ns(size, dim)
    aware, switched = network.congestion == "aware", dim.topology == "Switch"
    flight = None if aware else _flights(members, before, size, network)
    ready, come = starts + delay_ns, np.empty_like(starts)
    for count in range(1, blocks(phase) + 1):
        delay = delay_ns + reduce if count <= reduced else delay_ns
        if flight is None:
            step(ready, track.out, track.into, come, before, hold, hop, delay, switched)
            continue
        ready.take(before, out=come, mode="clip")  # which spares a copy
        come += flight
        np.maximum(come, ready, out=ready)
        ready += delay
    return ready


def _flights(members: tuple[int, ...], before: Ints, size: int, network: AstraNetwork) -> Ints:
    times = [unaware_ns(members[b], rank, size, network) for rank, b in zip(members, before.tolist(), strict=True)]
    return np.array(times, dtype=np.int64)
