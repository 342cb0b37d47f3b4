"""Expected maxima over cells for many tokens: sums of independent tokens are nearly normal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moec.compiler.routing.seeds import POOL, generator

Floats = NDArray[np.float64]

_DRAWS = 2048
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

    Over fixed normal draws: the standard error is about half a per cent of the distance from mean to maximum. The
    quadratic term (Cornish and Fisher 1938) accounts for the skew of counts.
    """
    normal = _normal(spread, seed)
    bend = (normal**2 - 1.0) / 6.0
    return np.array([_maximum(spread, i, scale, normal, bend) for i in range(len(spread.mean))])


def matching_scale(spread: Spread, seen: Floats, seed: int) -> float:
    """The factor on deviations with which the normal model gives the maxima `seen` `[tokens]`, averaged over them."""
    modelled = np.stack([expected_maxima(spread, float(scale), seed) for scale in _SCALES])
    modelled = np.maximum.accumulate(modelled, axis=0)
    return float(np.mean([np.interp(value, column, _SCALES) for value, column in zip(seen, modelled.T, strict=True)]))


def _normal(spread: Spread, seed: int) -> Floats:
    """Standard normal draws in pairs of opposites, `[draws, layers, cells]`; fewer per layer when there are many."""
    _, layers, cells = spread.mean.shape
    draws = min(_DRAWS, max(256, (1 << 17) // cells))
    half = generator(seed, POOL, 2).standard_normal((max(1, draws // (2 * layers)), layers, cells))
    return np.concatenate([half, -half])


def _maximum(spread: Spread, i: int, scale: float, normal: Floats, bend: Floats) -> float:
    variance = spread.variance[i]
    off = np.sqrt(variance) * normal
    common = variance / np.maximum(variance.sum(axis=1, keepdims=True), 1e-300)
    off -= (spread.shared[i] * off.sum(axis=2, keepdims=True)) * common
    off += np.broadcast_to(spread.skew, spread.mean.shape)[i] * bend
    return float(np.minimum(spread.mean[i] + scale * off, spread.ceiling).max(axis=2).mean())
