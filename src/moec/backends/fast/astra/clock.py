"""The simulator's event queue: events of one nanosecond run in the order in which they were asked for."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from moec.backends.fast.astra.refusal import Stopped, aborts

Call = Callable[[Any], None]


class Clock:
    """Time in whole nanoseconds. Events asked for at time 0, before the first one ran, trip an assertion.

    `alone`: the nanosecond began with one event.
    """

    __slots__ = ("_buckets", "_times", "alone", "now")

    def __init__(self) -> None:
        self.now = 0
        self.alone = False
        self._times: list[int] = []
        self._buckets: dict[int, list[tuple[Call, Any]]] = {}

    def at(self, time: int, call: Call, argument: Any) -> None:
        """Runs `call(argument)` at `time`, after what was asked for before."""
        bucket = self._buckets.get(time)
        if bucket is None:
            self._buckets[time] = [(call, argument)]
            heappush(self._times, time)
        else:
            bucket.append((call, argument))

    def run(self) -> None:
        """Until nothing is left; a bucket may grow while it runs."""
        while self._times:
            time = heappop(self._times)
            if time <= self.now:
                raise Stopped(aborts("an event falls into the nanosecond 0, in which the simulation starts"))
            self.now = time
            bucket = self._buckets[time]
            self.alone = len(bucket) == 1
            for call, argument in bucket:
                call(argument)
            del self._buckets[time]


class Desk:
    """One rank's events: those of one nanosecond are one event of the clock, placed where the first was asked for."""

    __slots__ = ("_due", "clock")

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._due: dict[int, list[tuple[Call, Any]]] = {}

    def after(self, delay: int, call: Call, argument: Any) -> None:
        """Runs `call(argument)` in `delay` nanoseconds."""
        time = self.clock.now + delay
        due = self._due.get(time)
        if due is None:
            self._due[time] = [(call, argument)]
            self.clock.at(time, self._run, time)
        else:
            due.append((call, argument))

    def _run(self, time: int) -> None:
        for call, argument in self._due[time]:
            call(argument)
        del self._due[time]
