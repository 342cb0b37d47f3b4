"""The simulator's event queue: events of one nanosecond run in the order in which they were asked for."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from moec.backends.fast.astra.agenda import Agenda, Event
from moec.backends.fast.astra.refusal import Stopped, aborts


@contextmanager
def resting() -> Iterator[None]:
    """Keeps the collector of cycles from walking again and again through events that are still to come."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


Call = Callable[[Any], None]


class Deferred(Event):
    """Runs `call(argument)`."""

    __slots__ = ("argument", "call")

    def __init__(self, call: Call, argument: Any) -> None:
        self.call, self.argument = call, argument

    def happen(self) -> None:
        self.call(self.argument)


class Clock:
    """Time in whole nanoseconds. Events asked for at time 0, before the first one ran, trip an assertion."""

    __slots__ = ("_agenda", "now")

    def __init__(self) -> None:
        self.now = 0
        self._agenda = Agenda()

    def at(self, time: int, call: Call, argument: Any) -> None:
        """Runs `call(argument)` at `time`, after what was asked for before."""
        self._agenda.add(time, Deferred(call, argument))

    def put(self, time: int, event: Event) -> None:
        """The same of an event that is not already to come."""
        self._agenda.add(time, event)

    def run(self) -> None:
        """Until nothing is left. Raises Stopped where an event stops the simulator."""
        if self._agenda.present:
            raise Stopped(aborts("an event falls into the nanosecond 0, in which the simulation starts"))
        with resting():
            self._run()

    def _run(self) -> None:
        agenda = self._agenda
        while agenda.advance():
            self.now = agenda.now
            for event in agenda.present:  # which may grow meanwhile
                event.happen()


class Due(Event):
    """What a desk does in one nanosecond."""

    __slots__ = ("desk", "events")

    desk: Desk
    events: list[Event]

    def happen(self) -> None:
        for event in self.events:
            event.happen()
        self.desk.close(self)


class Desk:
    """One rank's events: those of one nanosecond are one event of the clock, placed where the first was asked for."""

    __slots__ = ("_due", "_last", "clock")

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._due: dict[int, Due] = {}
        self._last: Due | None = None

    def after(self, delay: int, call: Call, argument: Any) -> None:
        """Runs `call(argument)` in `delay` nanoseconds."""
        self.put(delay, Deferred(call, argument))

    def put(self, delay: int, event: Event) -> None:
        """The same of an event; it may be to come several times."""
        time = self.clock.now + delay
        due = self._last
        if due is None or due.time != time:
            due = self._due.get(time)
            if due is None:
                due = self._due[time] = Due.__new__(Due)
                due.desk, due.events = self, []
                self.clock.put(time, due)
            self._last = due
        due.events.append(event)

    def close(self, due: Due) -> None:
        """All of a nanosecond is done."""
        del self._due[due.time]
        if self._last is due:
            self._last = None
