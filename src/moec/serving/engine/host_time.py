"""When iterations are scheduled, start and end: the host's time beside the device's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.arrays import Ints
from moec.dsl.schema import Overhead


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """When consecutive iterations are `scheduled` and end, in nanoseconds `[steps]`; the host works `spent` on each."""

    scheduled: Ints
    ends: Ints
    spent: int

    def host(self, steps: int) -> int:
        """When the host has done its work on the first `steps` iterations."""
        return int(self.scheduled[steps - 1]) + self.spent

    def end(self, steps: int, before: int) -> int:
        """When the first `steps` iterations have ended; `before` is the end of the one before them."""
        return int(self.ends[steps - 1]) if steps else before


@dataclass(frozen=True, slots=True)
class Host:
    """The host's share of an iteration, in nanoseconds.

    The host works `step_ns` and `sequence_ns` for each request of the busiest rank, then the device works, `gap_ns`
    longer than its kernels. If `asynchronous`, an iteration is scheduled as soon as all but the latest one have ended.
    """

    step_ns: int
    sequence_ns: float
    gap_ns: int
    asynchronous: bool

    def spent(self, sequences: int) -> int:
        """Host time of an iteration whose busiest rank runs `sequences` requests."""
        return self.step_ns + round(self.sequence_ns * sequences)

    def schedule(self, now: int, before: int, device: Ints, sequences: int) -> Schedule:
        """Iterations that keep the device for `device` `[steps]`, the first scheduled `now`, the one before ends `before`."""
        spent, work = self.spent(sequences), device + self.gap_ns
        if not self.asynchronous:
            ends = now + (work + spent).cumsum()
            return Schedule(np.concatenate(([now], ends[:-1])), ends, spent)
        if spent > work.min():
            return _exposed(now, before, work, spent)
        first = max(before, now + spent)
        ends = first + work.cumsum()
        return Schedule(np.concatenate(([now, first], ends))[: len(ends)], ends, spent)


def host_of(overhead: Overhead) -> Host:
    """The host of `serving.overhead`."""
    return Host(round(overhead.step * 1e9), overhead.sequence * 1e9, round(overhead.gap * 1e9), overhead.asynchronous)


def _exposed(now: int, before: int, work: Ints, spent: int) -> Schedule:
    """One after the other, where the device may have to wait for the host: both do one iteration at a time."""
    scheduled, ends = [now], [max(before, now + spent) + int(work[0])]
    for time in work[1:].tolist():
        out = ends[-2] if len(ends) > 1 else before
        scheduled.append(max(out, scheduled[-1] + spent))
        ends.append(max(ends[-1], scheduled[-1] + spent) + time)
    return Schedule(np.array(scheduled, dtype=np.int64), np.array(ends, dtype=np.int64), spent)
