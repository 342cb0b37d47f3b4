"""A `direct` collective under way in which every member sends its blocks to all others at once, whenever it begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from moec.backends.fast.astra.clock import Clock, Desk
from moec.backends.fast.astra.ends import together_ns
from moec.backends.fast.astra.link import reduction_ns
from moec.backends.fast.astra.network import AstraNetwork
from moec.backends.fast.astra.plan import Plan
from moec.backends.fast.astra.rings import message_bytes
from moec.backends.fast.replay.lineage import ARRIVE, MARK, Mark, Message, precedes
from moec.backends.fast.replay.npu import Npu
from moec.backends.fast.replay.occupancy import Occupancy
from moec.backends.fast.replay.ports import Paths

Ended = Callable[[Npu, int, Mark], None]


def is_spread(plan: Plan, network: AstraNetwork) -> bool:
    """Whether a collective is one exchange of blocks that all leave at once, and are done with as they come in."""
    phase = plan.phases[0]
    return (
        len(plan.phases) == plan.pieces == network.queues == 1
        and phase.algorithm == "direct"
        and phase.kind != "all_reduce"
        and (phase.window == -1 or phase.window >= phase.size - 1)
        and plan.delay_ns > 0
        and message_bytes(phase) > 0
    )


class Spread:
    """Blocks leave an endpoint's delay after a member came; it is done a delay, and a reduction, after its last came in.

    If all came in one nanosecond and nobody else uses their links, no block is followed.
    """

    __slots__ = (
        "_came", "_clock", "_ended", "_last", "_left", "_network", "_occupancy", "_paths", "_plan", "_ready", "_ring",
        "_whole", "members", "open",
    )  # fmt: skip

    def __init__(
        self, plan: Plan, network: AstraNetwork, members: tuple[int, ...], paths: Paths, clock: Clock,
        occupancy: Occupancy, ended: Ended,
    ) -> None:  # fmt: skip
        self._plan, self._network, self.members = plan, network, members
        self._paths, self._clock, self._occupancy, self._ended = paths, clock, occupancy, ended
        self._ring: Sequence[int] = plan.phases[0].ring(members[0])
        self._came: dict[int, tuple[int, Npu, int]] = {}
        self._ready: dict[int, int] = {}
        self._left = dict.fromkeys(members, len(members) - 1)
        self._last: dict[int, tuple[int, Message | None]] = dict.fromkeys(members, (0, None))
        self._whole: bool | None = None
        self.open = len(members)

    @property
    def complete(self) -> bool:
        """Whether all members have come."""
        return len(self._came) == len(self.members)

    def come(self, npu: Npu, node: int, mark: Mark, desk: Desk) -> None:
        """A member begins, in the callback `mark`."""
        self._came[npu.rank] = self._clock.now, npu, node
        desk.after(self._plan.delay_ns, self._leave, (npu.rank, mark))

    def _leave(self, which: tuple[int, Mark]) -> None:
        rank, mark = which
        if self._whole is None:
            self._whole = self._together()
        if self._whole:
            return
        now, ring = self._clock.now, self._ring
        place, size = ring.index(rank), message_bytes(self._plan.phases[0])
        self._ready[rank] = now
        row = [(other, size) for other in (*ring[place + 1 :], *ring[:place])]
        self._paths.send(rank, row, Mark(now, asked=(MARK, mark)), self._arrived)
        if not self._left[rank]:
            self._conclude(rank)

    def _together(self) -> bool:
        """Whether all are known to end at once; then they are told when."""
        times = {came[0] for came in self._came.values()}
        if not self.complete or len(times) > 1 or not self._occupancy.alone(self.members):
            return False
        took = together_ns(self._plan, self._network)
        if not isinstance(took, int):
            return False
        end = times.pop() + took
        self._occupancy.leave(self.members)
        self._occupancy.until(self.members, end)
        self.open = 0
        for _, npu, node in self._came.values():
            self._clock.at(end, self._end, (npu, node, Mark(end)))
        return True

    def _arrived(self, source: int, target: int, time: int, message: Message | None) -> None:
        del source
        last, by = self._last[target]
        sooner = time == last and message is not None and by is not None and precedes((ARRIVE, message), (ARRIVE, by))
        if time > last or sooner:
            self._last[target] = time, message
        self._left[target] -= 1
        if not self._left[target] and target in self._ready:
            self._conclude(target)

    def _conclude(self, rank: int) -> None:
        """All of a member's blocks are known to have come in by then."""
        (time, message), ready, phase = self._last[rank], self._ready[rank], self._plan.phases[0]
        reduce = reduction_ns(message_bytes(phase), self._network.local_mem_bw) if phase.kind == "reduce_scatter" else 0
        end = max(time, ready) + self._plan.delay_ns
        asked = (ARRIVE, message) if message is not None and time > ready else None
        mark = Mark(end, asked=asked)
        if reduce:
            mark = Mark(end + reduce, asked=(MARK, mark))
        self._clock.at(end + reduce, self._close, (*self._came[rank][1:], mark))

    def _close(self, which: tuple[Npu, int, Mark]) -> None:
        self.open -= 1
        if not self.open:
            self._occupancy.leave(self.members)
        self._end(which)

    def _end(self, which: tuple[Npu, int, Mark]) -> None:
        self._ended(*which)
