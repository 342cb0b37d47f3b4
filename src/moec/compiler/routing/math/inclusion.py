"""How likely each expert, or a set of experts, is among a token's choices when groups set no limit: exact, by quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from moec.arrays import Floats

_NEGLIGIBLE = 1e-11
_BATCH = 8


def inclusion(weights: Floats, top_k: int) -> Floats:
    """Probability that each expert is among the `top_k` of a token: `[laws, experts]` for `weights` of that shape.

    Each row sums to `top_k`; relative error about 1e-7. Expert e, with clock t, is chosen when fewer than `top_k` of
    the others rang before t, a Poisson-binomial count: π_e = ∫ w_e exp(−w_e t) P(N₋e(t) < top_k) dt. Rows with no
    more than `top_k` positive weights choose exactly those. Layers with the same weights in another order cost one.
    """
    order = np.argsort(-weights, axis=1, kind="stable")
    ranked = np.take_along_axis(weights, order, axis=1)
    if np.all(ranked == ranked[:1]):
        by_rank = np.broadcast_to(_inclusion(ranked[:1], top_k), weights.shape)
    else:
        parts = [_inclusion(ranked[start : start + _BATCH], top_k) for start in range(0, len(ranked), _BATCH)]
        by_rank = np.concatenate(parts)
    result = np.empty(weights.shape)
    np.put_along_axis(result, order, by_rank, axis=1)
    return result


def set_inclusion(weights: Floats, top_k: int, sets: int) -> Floats:
    """Probability that a token chooses at least one expert of each set, `[laws, sets]`.

    The sets are `sets` equal runs of the columns of `weights` `[laws, experts]`. A set's first clock is exponential
    with the set's total weight, so the same integral holds, leaving out the whole set.
    """
    share: Floats = weights / weights.sum(axis=1, keepdims=True)
    grouped = share.reshape(len(share), sets, -1)
    total = grouped.sum(axis=2)
    result: Floats = (total > 0).astype(float)
    contested = (share > 0).sum(axis=1) > top_k
    if contested.any():
        t, measure, low = _nodes(share[contested], top_k)
        room = _others_below_sets(grouped[contested], t, top_k)
        rate = total[contested][:, None, :] * t[:, :, None]
        density = total[contested][:, None, :] * np.exp(-rate)
        first = -np.expm1(-total[contested] * low[:, None])
        result[contested] = first + np.einsum("bq,bqc,bqc->bc", measure, density, room, optimize=True)
    return result


def _inclusion(weights: Floats, top_k: int) -> Floats:
    share: Floats = weights / weights.sum(axis=1, keepdims=True)
    if top_k == 1:
        return share
    if np.all(share == share[:, :1]):
        return np.full(share.shape, top_k / share.shape[1])
    result: Floats = (share > 0).astype(float)
    contested = result.sum(axis=1) > top_k
    if contested.any():
        result[contested] = _quadrature(share[contested], top_k)
    return result


def _quadrature(share: Floats, top_k: int) -> Floats:
    t, measure, low = _nodes(share, top_k)
    rate = share[:, None, :] * t[:, :, None]
    room = _others_below(-np.expm1(-rate), top_k)
    density = share[:, None, :] * np.exp(-rate)
    first = -np.expm1(-share * low[:, None])
    chance: Floats = first + np.einsum("bq,bqe,bqe->be", measure, density, room, optimize=True)
    return chance


def _nodes(share: Floats, top_k: int) -> tuple[Floats, Floats, Floats]:
    """Times and their measures, both `[laws, times]`, and `[laws]` the time before which there is always room."""
    low, high = _window(share, top_k)
    count = int(min(16 + 3 * np.max(high - low), 400))
    at, gauss = np.polynomial.legendre.leggauss(count)
    width = (high - low)[:, None] / 2
    t = np.exp(low[:, None] + width * (at + 1))
    return t, gauss * width * t, np.exp(low)


def _others_below(rung: Floats, top_k: int) -> Floats:
    """P(fewer than `top_k` of the others rang), `[laws, times, experts]`, for P(rang) `rung` of that shape.

    Counts before and after each expert, truncated at `top_k`, by dynamic programming from both ends.
    """
    laws, times, experts = rung.shape
    before = np.empty((experts, top_k, laws, times))
    count = np.zeros((top_k, laws, times))
    count[0] = 1.0
    for e in range(experts):
        before[e] = count
        _add(count, rung[:, :, e])
    room = np.empty_like(rung)
    after = np.zeros_like(count)
    after[0] = 1.0
    for e in range(experts - 1, -1, -1):
        at_most = np.cumsum(after, axis=0)[::-1]
        room[:, :, e] = (before[e] * at_most).sum(axis=0)
        _add(after, rung[:, :, e])
    return room


def _others_below_sets(grouped: Floats, t: Floats, top_k: int) -> Floats:
    """P(fewer than `top_k` experts outside each set rang by `t` `[laws, times]`), `[laws, times, sets]`."""
    laws, sets, size = grouped.shape
    rung = -np.expm1(-grouped[:, :, :, None] * t[:, None, None, :])
    before = np.empty((sets, top_k, *t.shape))
    count = np.zeros((top_k, *t.shape))
    count[0] = 1.0
    for c in range(sets):
        before[c] = count
        for e in range(size):
            _add(count, rung[:, c, e])
    room = np.empty((laws, t.shape[1], sets))
    after = np.zeros_like(count)
    after[0] = 1.0
    for c in range(sets - 1, -1, -1):
        room[:, :, c] = (before[c] * np.cumsum(after, axis=0)[::-1]).sum(axis=0)
        for e in range(size):
            _add(after, rung[:, c, e])
    return room


def _add(count: Floats, rung: Floats) -> None:
    """Count one more expert, in place: `count[j]` is P(j rang)."""
    arrived = count[:-1] * rung
    count *= 1.0 - rung
    count[1:] += arrived


def _window(share: Floats, top_k: int) -> tuple[Floats, Floats]:
    """Logarithms of times between which the `top_k`-th clock rings, all but surely; one pair per law.

    Before: P(N ≥ k) ≤ mean^k / k!. After: at least n − k of the n clocks are still to ring, by the same bound.
    """
    positive = share > 0
    still = positive.sum(axis=1) - top_k
    early = math.exp((math.log(_NEGLIGIBLE) + math.lgamma(top_k + 1)) / top_k)
    late = np.exp((math.log(_NEGLIGIBLE) + np.array([math.lgamma(m + 1) for m in still])) / still)
    smallest = np.where(positive, share, 1.0).min(axis=1)
    bounds = (np.full(len(share), math.log(_NEGLIGIBLE) - 3), np.log(60.0 / smallest))
    low = _root(lambda t: early - (-np.expm1(-share * t[:, None])).sum(axis=1), bounds)
    high = _root(lambda t: (np.exp(-share * t[:, None]) * positive).sum(axis=1) - late, bounds)
    return low, np.maximum(high, low + 0.1)


def _root(falls: Callable[[Floats], Floats], bounds: tuple[Floats, Floats]) -> Floats:
    """Logarithm of the time at which a falling function crosses zero, by bisection."""
    low, high = bounds
    for _ in range(24):
        middle = (low + high) / 2
        above = falls(np.exp(middle)) > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2
