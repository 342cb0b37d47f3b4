"""An exchange between two sets of ranks: attention on one pool of devices, experts on another."""

from __future__ import annotations

import numpy as np

from moec.arrays import Array, Ints
from moec.compiler.ir.graph import AllToAll, Dense, Outer


def crossing(
    group: str, size: int, senders: Ints, receivers: Ints, pairs: Dense | Outer, *, reverse: bool = False
) -> AllToAll:
    """Bytes from each of `senders` `[S]` to each of `receivers` `[R]`, which are places in the one subset of `group`.

    `size` members has that subset. `pairs` is rectangular: `bytes` `[…, repeat, S, R]`, or `sent` `[…, repeat, S]` with
    `share` `[…, repeat, R]`. It is the all-to-all in which all others send and attract nothing, so whatever times, writes
    or explains exchanges takes it as one. `reverse`: the same bytes travel back, from receivers to senders.
    """
    if isinstance(pairs, Outer):
        sent, share = _at(pairs.sent, senders, size), _at(pairs.share, receivers, size)
        return AllToAll(group, Outer(sent, share, pairs.straggle, reverse))
    bytes = np.asarray(pairs.bytes, dtype=float)
    whole = np.zeros((*bytes.shape[:-2], 1, size, size))
    whole[..., 0, senders[:, None], receivers] = bytes
    return AllToAll(group, Dense(np.swapaxes(whole, -1, -2) if reverse else whole))


def _at(values: Array, places: Ints, size: int) -> Array:
    """`values` `[…, repeat, places]` at their `places` of the subset, `[…, repeat, 1, size]`; 0 elsewhere."""
    whole = np.zeros((*np.shape(values)[:-1], 1, size))
    whole[..., 0, places] = values
    return whole
