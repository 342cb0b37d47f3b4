"""Many messages that meet no other: each takes the time of its own links."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moec.backends.fast.astra.network import AstraNetwork

Ints = NDArray[np.int64]


def flights(sizes: Ints, members: Ints, to: Ints, network: AstraNetwork) -> Ints:
    """Nanoseconds of each message of `sizes` `[n, k]` from `members[row]` to `members[to]`, without congestion.

    Only the first dimension in which two ranks differ is charged for, as in `link.unaware_ns`.
    """
    src, dst = np.broadcast_arrays(members[:, None], members[to])
    time = np.zeros(sizes.shape, dtype=np.int64)
    undecided = np.ones(sizes.shape, dtype=bool)
    for dim in network.dimensions:
        clockwise = (dst - src) % dim.npus
        here = undecided & (clockwise > 0)
        match dim.topology:
            case "Ring":
                links = np.minimum(clockwise, dim.npus - clockwise)
            case "Switch":
                links = np.full_like(clockwise, 2)
            case "FullyConnected":
                links = np.ones_like(clockwise)
        time = np.where(here, (links * dim.latency + sizes / dim.rate).astype(np.int64), time)
        undecided &= ~here
        src, dst = src // dim.npus, dst // dim.npus
    return time
