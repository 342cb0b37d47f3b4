"""Expected maxima over cells for many tokens: sums of independent tokens are nearly normal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from moec.arrays import Floats
from moec.compiler.routing.math.seeds import POOL, generator

_MOST_DRAWS = 1 << 12
_NUMBERS = 1 << 16
_CACHED = 1 << 20
_SCALES = np.array([0.5, 0.75, 1.0, 1.3, 1.7, 2.2])


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Counts of cells as nearly normal variables, `[tokens, layers, cells]`.

    `mean`, `variance`; `skew`: third over second central moment, broadcasts; `ceiling`: no count exceeds it. `shared`
    `[tokens]`: the part of the cells' common deviation that is not there, 1 where their sum is fixed.
    """

    mean: Floats
    variance: Floats
    skew: Floats
    shared: Floats
    ceiling: float = np.inf


def expected_maxima(spread: Spread, scale: float, seed: int) -> Floats:
    """Expected maximum over cells, averaged over layers, `[tokens]`; `scale` multiplies deviations.

    Over fixed normal draws: the standard error is below 2 % of the distance from mean to maximum. The
    quadratic term (Cornish and Fisher 1938) accounts for the skew of counts.
    """
    normal = _normal(*spread.mean.shape[1:], seed)
    bend = (normal**2 - 1.0) / 6.0
    return np.array([_maximum(spread, i, scale, normal, bend) for i in range(len(spread.mean))])


def matching_scale(spread: Spread, seen: Floats, seed: int) -> float:
    """The factor on deviations with which the normal model gives the maxima `seen` `[tokens]`, averaged over them."""
    modelled = np.stack([expected_maxima(spread, float(scale), seed) for scale in _SCALES])
    modelled = np.maximum.accumulate(modelled, axis=0)
    return float(np.mean([np.interp(value, column, _SCALES) for value, column in zip(seen, modelled.T, strict=True)]))


@lru_cache(maxsize=2)
def _normal(layers: int, cells: int, seed: int) -> Floats:
    """Standard normal draws in pairs of opposites, `[draws, layers, cells]`; fewer per layer when there are many."""
    draws = min(_MOST_DRAWS, max(256, _NUMBERS // cells))
    half = generator(seed, POOL, 2).standard_normal((max(1, draws // (2 * layers)), layers, cells))
    return np.concatenate([half, -half])


def _maximum(spread: Spread, i: int, scale: float, normal: Floats, bend: Floats) -> float:
    skew = np.broadcast_to(spread.skew, spread.mean.shape)[i]
    mean, variance, shared = spread.mean[i], spread.variance[i], float(spread.shared[i])
    if normal.size <= _CACHED:
        return _mean_maximum(mean, variance, skew, shared, spread.ceiling, scale, normal, bend)
    rows = [slice(layer, layer + 1) for layer in range(len(mean))]  # layer by layer, as all would not fit in a cache
    layers = [
        _mean_maximum(mean[r], variance[r], skew[r], shared, spread.ceiling, scale, normal[:, r], bend[:, r])
        for r in rows
    ]
    return float(np.mean(layers))


def _mean_maximum(
    mean: Floats,
    variance: Floats,
    skew: Floats,
    shared: float,
    ceiling: float,
    scale: float,
    normal: Floats,
    bend: Floats,
) -> float:
    off = np.sqrt(variance) * normal
    common = variance / np.maximum(variance.sum(axis=1, keepdims=True), 1e-300)
    off -= (shared * off.sum(axis=2, keepdims=True)) * common
    off += skew * bend
    return float(np.minimum(mean + scale * off, ceiling).max(axis=2).mean())


def slot_maxima(active: Floats) -> Floats:
    """Expected maximum over cells of the active slots of a cell, averaged over layers, `[tokens]`.

    Exact for independent slots: `active` `[tokens, layers, cells, slots]` are their chances. For cells of few slots,
    whose counts are not nearly normal.
    """
    if (
        active.size > _CACHED and len(active) > 1
    ):  # one number of tokens after the other, as all would not fit in a cache
        return np.concatenate([slot_maxima(part[None]) for part in active])
    slots = active.shape[-1]
    count = np.zeros((slots + 1, *active.shape[:-1]))
    count[0] = 1.0
    for s, chance in enumerate(np.ascontiguousarray(np.moveaxis(active, -1, 0))):
        arrived = count[: s + 1] * chance
        count[: s + 1] -= arrived
        count[1 : s + 2] += arrived
    at_most = np.cumsum(count[:-1], axis=0).prod(axis=-1)
    mean: Floats = (1.0 - at_most).sum(axis=0).mean(axis=-1)
    return mean
