"""Many messages that meet no other: each takes the time of its own links."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.arrays import Floats, Ints
from moec.backends.astra.network.topology import AstraNetwork


@dataclass(frozen=True, slots=True, eq=False)
class Flights:
    """The messages of sets `[sets, n, n]`, whatever their rows' starts.

    `out` `[sets, n]`: how long the longest of a row takes, 1 where it sends none; `into` `[sets, n, n]`: how long each
    takes, from row to column, very negative where there is none.
    """

    out: Ints
    into: Ints

    def ends(self, starts: Ints) -> Ints:
        """When each row has sent and received everything, as its `starts` `[sets, n]`; 1 ns later if it sends nothing."""
        done: Ints = np.maximum(starts + self.out, (starts[:, :, None] + self.into).max(axis=1))
        return done


def flights_of(pairs: Ints, members: Ints, network: AstraNetwork) -> list[Flights]:
    """Of exchanges `[exchanges, sets, n, n]` between `members` `[sets, n]`, the diagonals zero."""
    latency, rate = routes(members[:, :, None], members[:, None, :], network)
    absent = pairs == 0
    time = (latency + pairs / rate).astype(np.int64)
    time[absent] = np.iinfo(np.int64).min // 2
    out = np.where(absent.all(axis=-1), 1, time.max(axis=-1))
    return [Flights(*one) for one in zip(out, time, strict=True)]


def flights(sizes: Ints, members: Ints, to: Ints, network: AstraNetwork) -> Ints:
    """Nanoseconds of each message of `sizes` `[n, k]` from `members[row]` to `members[to]`, without congestion."""
    latency, rate = routes(members[:, None], members[to], network)
    time: Ints = (latency + sizes / rate).astype(np.int64)
    return time


def routes(src: Ints, dst: Ints, network: AstraNetwork) -> tuple[Floats, Floats]:
    """Nanoseconds of latency and bytes per nanosecond from each `src` to each `dst`; endless from a rank to itself.

    Only the first dimension in which two ranks differ is charged for, as in `link.unaware_ns`.
    """
    src, dst = np.broadcast_arrays(src, dst)
    latency, rate = np.zeros(src.shape), np.full(src.shape, np.inf)
    undecided = np.ones(src.shape, dtype=bool)
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
        latency[here], rate[here] = (links * dim.latency)[here], dim.rate
        undecided &= ~here
        src, dst = src // dim.npus, dst // dim.npus
    return latency, rate
