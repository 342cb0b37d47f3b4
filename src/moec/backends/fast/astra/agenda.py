"""Events that are still to come: the soonest first, those of one nanosecond in the order in which they were asked for.

Interpreted, a dictionary and Python's own heap of times. Compiled, a radix heap: time only moves on, so an event waits in the slot
of the highest hexadecimal digit in which its time differs from the present one, and moves to a lower one only when that digit comes
round. Events of one nanosecond are always in one slot, in order.
"""

from __future__ import annotations

from heapq import heappop, heappush

COMPILED = not __file__.endswith(".py")
DIGITS = 16
"""Levels: hexadecimal digits of a time of 63 bits."""


def highest(number: int) -> int:
    """The place of the highest bit of a number above 0."""
    place = 0
    while number >= 16:
        number >>= 4
        place += 4
    while number > 1:
        number >>= 1
        place += 1
    return place


class Event:
    """Something that happens at `time`; it can be to come once at a time."""

    __slots__ = ("time",)

    def __init__(self) -> None:
        self.time = 0

    def happen(self) -> None:
        """What it does."""
        raise NotImplementedError


class Agenda:
    """`now`: the present nanosecond, and `present` what happens in it; more may be added."""

    __slots__ = ("_full", "_later", "_levels", "_slots", "_times", "now", "present")

    _full: list[int]
    """A bit for each slot in use of a level; only compiled code has it, as an array of zeros at first."""

    def __init__(self) -> None:
        self.now = 0
        self.present: list[Event] = []
        self._times: list[int] = []
        self._later: dict[int, list[Event]] = {0: self.present}
        self._slots: list[list[Event]] = [[] for _ in range(16 * DIGITS)] if COMPILED else []
        self._levels = 0  # a bit for each level with a slot in use

    def add(self, time: int, event: Event) -> None:
        """An event that shall happen at `time`, not before now."""
        event.time = time
        if COMPILED:
            self._place(event)
            return
        slot = self._later.get(time)
        if slot is None:
            self._later[time] = [event]
            heappush(self._times, time)
        else:
            slot.append(event)

    def advance(self) -> bool:
        """To the next nanosecond in which something happens; whether there is one."""
        if COMPILED:
            return self._turn()
        del self._later[self.now]
        if not self._times:
            return False
        self.now = heappop(self._times)
        self.present = self._later[self.now]
        return True

    def _place(self, event: Event) -> None:
        apart = event.time ^ self.now
        if not apart:
            self.present.append(event)
            return
        level = highest(apart) >> 2
        digit = (event.time >> (4 * level)) & 15
        self._levels |= 1 << level
        self._full[level] |= 1 << digit
        slot: list[Event] = self._slots[16 * level + digit]
        slot.append(event)

    def _turn(self) -> bool:
        """On to the first slot in use."""
        if not self._levels:
            return False
        level = highest(self._levels & -self._levels)
        full = self._full[level]
        number = 16 * level + highest(full & -full)
        self._full[level] = full & (full - 1)
        if not self._full[level]:
            self._levels &= self._levels - 1
        slot: list[Event] = self._slots[number]
        self._slots[number] = []
        first: Event = slot[0]
        self.now, self.present = first.time, slot
        if level and len(slot) > 1:
            self._spread(slot)
        return True

    def _spread(self, slot: list[Event]) -> None:
        """Moves what came up together to its own nanoseconds, the first of which is now."""
        for event in slot:
            if event.time < self.now:
                self.now = event.time
        self.present = []
        for event in slot:
            self._place(event)
