"""Which of a dimension's queues the next phase of a collective goes into, and which way round it turns."""

from __future__ import annotations

from moec.backends.astra.network.plan import ANY, FIRST


class Turns:
    """Deals the queues of one dimension round by round: to all phases, or to the first and last half of an all-reduce."""

    __slots__ = ("_any", "_first", "_last", "_queues", "_start")

    def __init__(self, start: int, queues: int) -> None:
        self._start, self._queues = start, queues
        self._any, self._first, self._last = 0, 0, queues // 2

    def take(self, part: int) -> tuple[int, int]:
        """Queue and direction; queues of the upper half turn anticlockwise."""
        half = self._queues // 2
        if part == ANY:
            place, self._any = self._any, (self._any + 1) % self._queues
            return self._start + place, -1 if self._queues > 1 and place >= half else 1
        if part == FIRST:
            place, self._first = self._first, self._first + 1
            self._first = 0 if self._first >= half else self._first
            return self._start + place, 1
        place, self._last = self._last, self._last + 1
        self._last = half if self._last >= self._queues else self._last
        return self._start + place, -1
