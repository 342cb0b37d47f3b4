"""One collective that is taken as a whole: who has come when, and, once all have, when each is done."""

from __future__ import annotations

import numpy as np

from moec.backends.astra.network.plan import Plan
from moec.backends.astra.network.refusal import Refusal, Stopped
from moec.backends.astra.network.rings import Track, is_ring, ring_ends
from moec.backends.astra.network.staggered import apart_ns
from moec.backends.astra.network.started_together import together_ns
from moec.backends.astra.network.topology import AstraNetwork
from moec.backends.astra.replay.npu import Npu
from moec.backends.astra.replay.occupancy import Unsure


class Round:
    """`members` in ring order."""

    __slots__ = ("_came", "_network", "_plan", "members")

    def __init__(self, members: tuple[int, ...], network: AstraNetwork, plan: Plan) -> None:
        self.members, self._network, self._plan = members, network, plan
        self._came: dict[int, tuple[int, Npu, int]] = {}

    def come(self, now: int, npu: Npu, node: int) -> None:
        """A member begins."""
        self._came[npu.rank] = now, npu, node

    def is_ring(self) -> bool:
        """Whether it keeps to a ring's own links."""
        return is_ring(self._plan, self._network)

    @property
    def complete(self) -> bool:
        return len(self._came) == len(self.members)

    def which(self, rank: int) -> tuple[Npu, int]:
        """A member and its node."""
        return self._came[rank][1:]

    def ends(self, track: Track | None, *, ordered: bool) -> dict[int, int]:
        """When each member is done. `ordered`: those that began in one nanosecond did so in the order of coming; `track`:
        of the members' ring, where the collective is one.
        """
        ranks = tuple(self._came)
        times = [came[0] for came in self._came.values()]
        first = times[0]
        if track is not None and (times[-1] > first or track.busy(first)):
            starts_of = np.array([self._came[rank][0] for rank in self.members], dtype=np.int64)
            found = ring_ends(self._plan, self._network, self.members, starts_of, track)
            return dict(zip(self.members, found.tolist(), strict=True))
        if times[-1] == first:
            together = together_ns(self._plan, self._network)
            if isinstance(together, Refusal):
                raise Stopped(together)
            if together is not None:
                return dict.fromkeys(ranks, first + together)
        base = max(first - 1, 0)
        starts = tuple(time - base for time in times)
        ends = self._simulated(ranks, starts)
        shared = self._network.congestion == "aware" and self._network.dimensions[0].topology != "FullyConnected"
        if shared and not ordered and len(set(starts)) < len(starts):
            back = sorted(range(len(ranks)), key=lambda i: (starts[i], -i))
            if self._simulated(tuple(ranks[i] for i in back), tuple(starts[i] for i in back)) != ends:
                raise Unsure
        return {rank: base + end for rank, end in ends.items()}

    def _simulated(self, ranks: tuple[int, ...], starts: tuple[int, ...]) -> dict[int, int]:
        ends = apart_ns(self._plan, self._network, ranks, starts)
        if isinstance(ends, Refusal):
            raise Unsure
        return dict(zip(ranks, ends, strict=True))
