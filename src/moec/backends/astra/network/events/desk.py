"""One rank's events: those of one nanosecond are one event of the clock, placed where the first was asked for (Sys.cc)."""

from __future__ import annotations

from typing import Any

from moec.backends.astra.network.events.clock import Call, Clock, Deferred
from moec.backends.astra.network.events.event import Event


class Due(Event):
    """What a desk does in one nanosecond; `older` is what it was asked for before."""

    __slots__ = ("desk", "events", "older")

    desk: Desk
    events: list[Event]
    older: Due | None

    def happen(self) -> None:
        for event in self.events:
            event.happen()
        self.desk.close(self)


class Desk:
    """`newest`: of what is due, the last that was asked for. There are few at a time."""

    __slots__ = ("clock", "newest")

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.newest: Due | None = None

    def after(self, delay: int, call: Call, argument: Any) -> None:
        """Runs `call(argument)` in `delay` nanoseconds."""
        self.put(delay, Deferred(call, argument))

    def put(self, delay: int, event: Event) -> None:
        """The same of an event; it may be to come several times."""
        time = self.clock.now + delay
        due = self.newest
        while due is not None and due.time != time:
            due = due.older
        if due is None:
            due = Due.__new__(Due)
            due.desk, due.events, due.older = self, [], self.newest
            self.newest = due
            self.clock.put(time, due)
        due.events.append(event)

    def close(self, due: Due) -> None:
        """All of a nanosecond is done."""
        newer = self.newest
        if newer is due:
            self.newest = due.older
            return
        while newer is not None and newer.older is not due:
            newer = newer.older
        if newer is not None:
            newer.older = due.older
