"""The simulator's event queue: events of one nanosecond run in the order in which they were asked for.

Interpreted, a dictionary of lists and Python's own heap of times. Compiled, a radix heap: time only moves on, so an event waits in
the row of the highest hexadecimal digit in which its time differs from the present one, and moves to a lower one only when that
digit comes round. Events of one nanosecond are always in one row, in order.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import Any

from moec.backends.astra.network.events.event import Event
from moec.backends.astra.network.refusal import Stopped, aborts

Call = Callable[[Any], None]
COMPILED = not __file__.endswith(".py")
"""Whether this is compiled code, which is quick at other things than the interpreter."""
MANY = 500_000
"""Objects, more or less, beyond those that were there before."""
DIGITS = 16
"""Hexadecimal digits of a time of 63 bits."""


@contextmanager
def resting() -> Iterator[None]:
    """Lets the collector of cycles walk through events that are still to come only where very many objects have piled up."""
    young, *older = gc.get_threshold()
    if young:
        gc.set_threshold(max(young, MANY), *older)
    try:
        yield
    finally:
        gc.set_threshold(young, *older)


class Deferred(Event):
    """Runs `call(argument)`."""

    __slots__ = ("argument", "call")

    def __init__(self, call: Call, argument: Any) -> None:
        self.call, self.argument = call, argument

    def happen(self) -> None:
        self.call(self.argument)


class Row:
    """Events one after the other."""

    __slots__ = ("first", "last")

    def __init__(self) -> None:
        self.first: Event | None = None
        self.last: Event | None = None

    def append(self, event: Event) -> None:
        """Puts an event that is in no row behind the last."""
        event.after = None
        if self.last is None:
            self.first = event
        else:
            self.last.after = event
        self.last = event

    def filled(self) -> bool:
        """Whether there is one."""
        return self.first is not None

    def take(self) -> Event:
        """The first event, which leaves."""
        event: Event = self.first  # type: ignore[assignment]  # there is one
        self.first = event.after
        if self.first is None:
            self.last = None
        event.after = None
        return event


class Clock:
    """Time in whole nanoseconds. Events asked for at time 0, before the first one ran, trip an assertion."""

    __slots__ = ("_full", "_levels", "_lists", "_rows", "_times", "now")

    _levels: int
    """A bit for each digit of which a row is in use. Of compiled code only, and 0 at first; so is what follows."""
    _full: list[int]
    """The same for the rows of a digit."""

    def __init__(self) -> None:
        self.now = 0
        self._times: list[int] = []
        self._lists: dict[int, list[Event]] = {}
        self._rows: list[Row] = [Row() for _ in range(16 * DIGITS + 1)] if COMPILED else []

    def at(self, time: int, call: Call, argument: Any) -> None:
        """Runs `call(argument)` at `time`, after what was asked for before."""
        self.put(time, Deferred(call, argument))

    def put(self, time: int, event: Event) -> None:
        """Lets an event that is not already to come happen at `time`, not before now."""
        event.time = time
        if COMPILED:
            self._place(event)
            return
        events = self._lists.get(time)
        if events is None:
            self._lists[time] = [event]
            heappush(self._times, time)
        else:
            events.append(event)

    def run(self) -> None:
        """Until nothing is left. Raises Stopped where an event stops the simulator."""
        with resting():
            if COMPILED:
                self._run_rows()
            else:
                self._run_lists()

    def _run_lists(self) -> None:
        while self._times:
            time = heappop(self._times)
            if not time:
                raise Stopped(aborts(AT_ONCE))
            self.now = time
            for event in self._lists[time]:  # which may grow meanwhile
                event.happen()
            del self._lists[time]

    def _run_rows(self) -> None:
        present: Row = self._rows[16 * DIGITS]
        if present.filled():
            raise Stopped(aborts(AT_ONCE))
        while self._turn(present):
            while present.filled():
                present.take().happen()

    def _place(self, event: Event) -> None:
        apart = event.time ^ self.now
        number = 16 * DIGITS
        if apart:
            level = 0
            while apart >= 16:
                apart >>= 4
                level += 1
            digit = (event.time >> (4 * level)) & 15
            self._levels |= 1 << level
            self._full[level] |= 1 << digit
            number = 16 * level + digit
        row: Row = self._rows[number]
        row.append(event)

    def _turn(self, present: Row) -> bool:
        """On to the first nanosecond with an event; what happens in it comes into `present`."""
        if not self._levels:
            return False
        level = lowest(self._levels)
        full = self._full[level]
        digit = lowest(full)
        self._full[level] = full & (full - 1)
        if not self._full[level]:
            self._levels &= self._levels - 1
        row: Row = self._rows[16 * level + digit]
        event = row.first
        self.now = event.time  # type: ignore[union-attr]
        if not level:
            present.first, present.last = row.first, row.last
            row.first = row.last = None
            return True
        while event is not None:
            if event.time < self.now:
                self.now = event.time
            event = event.after
        while row.filled():
            self._place(row.take())
        return True


AT_ONCE = "an event falls into the nanosecond 0, in which the simulation starts"


def lowest(bits: int) -> int:
    """The place of the lowest bit that is set."""
    place = 0
    while not bits & 1:
        bits >>= 1
        place += 1
    return place
