"""An exchange of plain messages under way: who has come, what is still to arrive for each, and when each is done."""

from __future__ import annotations

from collections.abc import Callable

from moec.backends.fast.astra.clock import Clock
from moec.backends.fast.replay.custom_sets import Exchange
from moec.backends.fast.replay.lineage import ARRIVE, Mark, Message, precedes
from moec.backends.fast.replay.npu import Npu
from moec.backends.fast.replay.ports import Paths

Ended = Callable[["Crossing", Npu, int, Mark], None]


class Crossing:
    """A member sends all it has when it comes, and is done when that and all that others send it has arrived."""

    __slots__ = (
        "_by",
        "_clock",
        "_comers",
        "_ended",
        "_exchange",
        "_last",
        "_left",
        "_paths",
        "_waiting",
        "members",
        "open",
    )

    def __init__(self, exchange: Exchange, members: tuple[int, ...], paths: Paths, clock: Clock, ended: Ended) -> None:
        self._paths, self._clock, self._ended = paths, clock, ended
        self._exchange, self.members = exchange, members
        self._left = dict(zip(members, exchange.counts.tolist(), strict=True))
        self._last = dict.fromkeys(members, 0)
        self._by: dict[int, Message | None] = dict.fromkeys(members)
        self._waiting: dict[int, tuple[Npu, int]] = {}
        self._comers, self.open = 0, len(members)

    @property
    def complete(self) -> bool:
        """Whether all members have come."""
        return self._comers == len(self.members)

    def come(self, npu: Npu, node: int, position: int, mark: Mark) -> None:
        """A member begins, in the callback `mark`."""
        rank = npu.rank
        self._comers += 1
        self._waiting[rank] = npu, node
        self._paths.send(rank, self._exchange.row(position, self.members), mark, self._arrived)
        if not self._left[rank] and rank in self._waiting:
            self._conclude(rank)

    def _arrived(self, source: int, target: int, time: int, message: Message | None) -> None:
        for rank in (source, target):
            if time > self._last[rank]:
                self._last[rank], self._by[rank] = time, message
            elif time == self._last[rank] and message is not None:
                earlier = self._by[rank]
                if earlier is not None and precedes((ARRIVE, earlier), (ARRIVE, message)):
                    self._by[rank] = message
            self._left[rank] -= 1
            if not self._left[rank] and rank in self._waiting:
                self._conclude(rank)

    def _conclude(self, rank: int) -> None:
        """All of a member's messages are known to have arrived by then."""
        time, message, now = self._last[rank], self._by[rank], self._clock.now
        mark = Mark(max(time, now))
        if message is not None and time > now:
            mark.same, mark.turn = (ARRIVE, message), int(message.target == rank)
        self._clock.at(mark.time, self._end, (*self._waiting.pop(rank), mark))

    def _end(self, which: tuple[Npu, int, Mark]) -> None:
        self.open -= 1
        self._ended(self, *which)
