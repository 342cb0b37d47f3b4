"""Which of two events of one nanosecond comes first: the one that was asked for first, and so on back to the beginning.

The simulator's queue keeps the order of asking within a nanosecond, so that an event's place follows from its ancestry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moec.backends.fast.replay.occupancy import Unsure

MARK, REACH, LEFT, ARRIVE, PASSED = range(5)
"""Events: a callback of a rank; of a message that it reaches its target's port, has left its sender's, arrives, and has left
its target's port.
"""
Event = tuple[int, Any]


@dataclass(slots=True, eq=False)
class Mark:
    """A callback at `time`: of a rank's own event that was asked for in event `asked`, or part `turn` of event `same`.

    Neither: at the beginning, where ranks come by number, which is `turn`, or (−1) with a history that is not kept, because
    it is not known or nothing else happened in that nanosecond.
    """

    time: int
    asked: Event | None = None
    same: Event | None = None
    turn: int = -1


@dataclass(slots=True, eq=False)
class Message:
    """`row`: the callback that issued it; it began to leave at `left`, right after `before` if it waited for that, and to
    pass its target's port at `passing`, right after `ahead` if it waited for that.
    """

    source: int
    target: int
    hold: int
    hop: int
    left: int
    row: Mark
    before: Message | None
    passing: int = 0
    ahead: Message | None = None


def precedes(a: Event, b: Event) -> bool:
    """Whether event `a` comes before another event `b` of the same nanosecond. Raises Unsure if that is not known."""
    while True:
        (a, turn), (b, other) = _whole(a), _whole(b)
        if a[0] == b[0] and a[1] is b[1]:
            return turn < other
        before, after = _asked(a), _asked(b)
        if before is None or after is None:
            return _first(a, b)
        if before[0] == after[0] and before[1] is after[1]:
            return a[0] < b[0]  # of one message that it reaches a port is asked for before that it has left one
        ours, theirs = _time(before), _time(after)
        if ours != theirs:
            return ours < theirs
        a, b = before, after


def _whole(event: Event) -> tuple[Event, int]:
    """The event that a callback is part of, and which part."""
    if event[0] == MARK and event[1].same is not None:
        return event[1].same, event[1].turn
    return event, 0


def _first(a: Event, b: Event) -> bool:
    if a[0] == b[0] == MARK and a[1].turn >= 0 and b[1].turn >= 0 and a[1].asked is b[1].asked is None:
        return bool(a[1].turn < b[1].turn)
    raise Unsure


def _asked(event: Event) -> Event | None:
    """The event in which this one was asked for."""
    kind, what = event
    if kind == MARK:
        return what.asked  # type: ignore[no-any-return]
    if kind in (REACH, LEFT):
        return (MARK, what.row) if what.before is None else (LEFT, what.before)
    return (REACH, what) if what.ahead is None else (PASSED, what.ahead)


def _time(event: Event) -> int:
    kind, what = event
    if kind == MARK:
        time = what.time
    elif kind == REACH:
        time = what.left + what.hop
    elif kind == LEFT:
        time = what.left + what.hold
    elif kind == ARRIVE:
        time = what.passing + what.hop
    else:
        time = what.passing + what.hold
    return int(time)
