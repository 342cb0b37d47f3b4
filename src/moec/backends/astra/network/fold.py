"""One member in place of all: where members are alike, what one sends to its k-th neighbour it gets from the k-th before."""

from __future__ import annotations

from dataclasses import replace

from moec.backends.astra.network.events.algorithms import algorithm_of
from moec.backends.astra.network.events.clock import Clock
from moec.backends.astra.network.events.event import Event
from moec.backends.astra.network.events.post import Channel, Post
from moec.backends.astra.network.events.rank import Rank
from moec.backends.astra.network.events.wires import Flights, Links, Wires
from moec.backends.astra.network.plan import Plan
from moec.backends.astra.network.refusal import Refusal, Stopped, aborts, hangs
from moec.backends.astra.network.topology import AstraNetwork


class Mirror(Post):
    """Member 0's post: its message to another member comes back as that of the member as far on the other side."""

    __slots__ = ("_dimensions", "_mirrored")

    def __init__(self, clock: Clock, wires: Wires, network: AstraNetwork) -> None:
        super().__init__(clock, wires, network.ranks)
        self._dimensions, self._mirrored = network.dimensions, wires

    def put(self, channel: Channel, sent: Event | None) -> None:
        tag, src, dst, size = channel.tag, channel.src, channel.dst, channel.size
        if size <= 0:
            raise Stopped(aborts(f"rank {src} sends a message of 0 bytes to rank {dst}"))
        back = self.hold(tag, self._opposite(dst), src, size)
        self._mirrored.carry(src, dst, size, self.letter(back, sent))
        self.release(back)

    def _opposite(self, rank: int) -> int:
        other, spacing = 0, 1
        for dim in self._dimensions:
            rank, place = divmod(rank, dim.npus)
            other += (-place) % dim.npus * spacing
            spacing *= dim.npus
        return other


def folds(plan: Plan, network: AstraNetwork) -> bool:
    """Whether all members behave alike: rings and `direct` over whole dimensions, or anywhere when all pairs are alike.

    With several queues pieces turn both ways, and which of two equally early messages is first differs between members.
    The same holds for `direct` on an aware ring, where blocks of one piece do so.
    """
    overlap = plan.pieces > 1 and network.concurrent > 1
    ring = network.congestion == "aware" and network.dimensions[0].topology == "Ring"
    if network.queues > 1 or (ring and overlap and any(p.algorithm == "direct" for p in plan.phases)):
        return False
    alike = len(network.dimensions) == 1 and network.dimensions[0].topology != "Ring"
    flat = len(network.dimensions) == 1
    return all(
        phase.algorithm in ("ring", "direct")
        and (alike if phase.group is not None else flat or phase.size == network.dimensions[phase.level].npus)
        for phase in plan.phases
    )


def folded_ns(plan: Plan, network: AstraNetwork, start_ns: int) -> int | Refusal:
    """When the members of a plan that `folds` are done, counted from `start_ns`."""
    group = plan.phases[0].group
    if group is not None:
        size = len(group)
        network = replace(network, dimensions=(replace(network.dimensions[0], npus=size),))
        phases = tuple(replace(phase, group=tuple(range(size))) for phase in plan.phases)
        plan = replace(plan, phases=phases)
    clock = Clock()
    aware = network.congestion == "aware"
    wires: Wires = Links(network, clock, folded=True) if aware else Flights(network, clock)
    rank = Rank(0, network, clock, Mirror(clock, wires, network), algorithm_of)
    ends: list[int] = []

    def issue(_: None) -> None:
        rank.issue(plan, 0, lambda: ends.append(clock.now))

    try:
        if start_ns == 0:
            issue(None)
        else:
            clock.at(start_ns, issue, None)
        clock.run()
    except Stopped as stopped:
        return stopped.refusal
    return ends[0] - start_ns if ends else hangs("the members wait for messages that nobody sends")
