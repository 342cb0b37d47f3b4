"""Which of several messages that reach a port in the same nanosecond is served first."""

from __future__ import annotations

import numpy as np

from moec.arrays import Ints


def settled(numbers: Ints, group: Ints, left: Ints, entered: Ints) -> Ints:
    """The messages of `numbers` `[k]`, those that tie being of one `group` and next to each other, in order of service.

    `left` and `entered` `[messages]`: when a message enters its sender's port, after the sender's start and at all. The
    simulator runs events of one nanosecond in the order in which they were asked for, so it serves the one first that
    entered its sender's port first; of two in one nanosecond that whose predecessor at the port did, and so on back to
    the first ones, which enter before others and among themselves by row, the order in which they are given.
    """
    result = numbers.copy()
    moments = np.append(entered, -1)  # the last is that of the predecessor −1
    before = np.where(left > 0, np.arange(-1, len(left) - 1), -1)
    where, at = np.arange(len(numbers)), numbers
    while len(where):
        moment = moments.take(at, mode="wrap")
        alike = group[1:] == group[:-1]
        if (alike & (moment[1:] < moment[:-1])).any():
            order = np.lexsort((moment, group))
            result[where], at, moment = result[where[order]], at[order], moment[order]
        after = np.zeros(len(at) + 1, dtype=bool)
        np.logical_and(alike, moment[1:] == moment[:-1], out=after[1:-1])
        after[:-1] &= at >= 0
        keep = np.flatnonzero(after[1:] | after[:-1])
        group = np.cumsum(~after[:-1]).take(keep)
        where, at = where.take(keep), before.take(at.take(keep))
    return result
