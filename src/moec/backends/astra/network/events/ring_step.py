"""One message of each member to the next: as loops where compiled, with arrays where interpreted."""

from __future__ import annotations

import numpy as np

from moec.arrays import Ints

COMPILED = not __file__.endswith(".py")


def step(
    ready: Ints, out: Ints, into: Ints, left: Ints, before: Ints, hold: int, hop: int, delay: int, switched: bool
) -> None:
    """Moves on when each member is `ready` for its next message, and when its way out and the way in to it are free.

    All `[members]`; `left` is written over; `before`: who sends to each. A message holds a link for `hold` and takes `hop`
    along it, once more from the switch if `switched`; a member is ready `delay` after its message is there, and not sooner.
    """
    if not COMPILED:
        _step_of_arrays(ready, out, into, left, before, hold, hop, delay, switched)
        return
    for i in range(len(ready)):
        left[i] = max(out[i], ready[i])
        out[i] = left[i] + hold
    for i in range(len(ready)):
        come = left[before[i]] + hop
        if switched:
            come = max(come, into[i])
            into[i] = come + hold
            come += hop
        ready[i] = max(come, ready[i]) + delay


def _step_of_arrays(
    ready: Ints, out: Ints, into: Ints, left: Ints, before: Ints, hold: int, hop: int, delay: int, switched: bool
) -> None:
    np.maximum(ready, out, out=out)
    out.take(before, out=left, mode="clip")  # which spares a copy
    out += hold
    left += hop
    if switched:
        np.maximum(left, into, out=left)
        np.add(left, hold, out=into)
        left += hop
    np.maximum(left, ready, out=ready)
    ready += delay
