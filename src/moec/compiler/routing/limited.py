"""How likely each expert is among a token's choices under a group limit: a regression on drawn tokens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moec.compiler.routing.groups import group_inclusion
from moec.compiler.routing.race import Gate

Floats = NDArray[np.float64]


def limited_inclusion(gate: Gate, weights: Floats, counts: Floats, tokens: Floats) -> Floats:
    """Inclusion probabilities `[laws, experts]` of group-limited laws; each row sums to `top_k`.

    `counts` `[laws, experts]` are choices among `tokens` `[laws]` drawn tokens. There is no closed form. Group g's
    chance q_g is known (`groups`); inside a chosen group, expert e wins with 1 − exp(−exp(η_e)), where η is log w_e
    plus a polynomial in the expert's and its group's standing, the same for all laws, fitted by maximum likelihood.
    All laws share the drawn tokens, so the figures are far smoother than counts; docs/routing.md has the errors.
    """
    if np.all(weights == weights[:, :1]):
        return np.full(weights.shape, gate.top_k / gate.experts)
    inside = np.repeat(group_inclusion(gate, weights), gate.experts // gate.groups, axis=1)
    usable = weights > 0
    base = np.log(np.where(usable, weights, 1.0)) + _level(inside * usable, weights, gate.top_k)
    features = _features(gate, weights, np.clip(base, -20.0, 20.0), inside)
    slopes = _fit(features[usable], base[usable], (tokens[:, None] * inside)[usable], counts[usable])
    eta = np.clip(base + features @ slopes, -50.0, 4.0)
    return inside * usable * -np.expm1(-np.exp(eta + _level(inside * usable, np.exp(eta), gate.top_k)))


def _features(gate: Gate, weights: Floats, base: Floats, inside: Floats) -> Floats:
    """Of every expert, `[laws, experts, features]`: its weight, its group's chance, its share of it, the group's skew."""
    grouped = weights.reshape(len(weights), gate.groups, -1)
    total = np.maximum(grouped.sum(axis=2, keepdims=True), 1e-300)
    share = (grouped / total).reshape(weights.shape)
    skew = np.sqrt(((grouped / total) ** 2).sum(axis=2)).repeat(grouped.shape[2], axis=1)
    chance = np.clip(inside, 1e-6, 1 - 1e-6)
    x, y, z, h = base, np.log(chance / (1 - chance)), share, skew
    return np.stack([np.ones_like(x), x, y, z, x * x, x * y, y * y, x * z, y * z, z * z, h, h * x, h * y], axis=-1)


def _fit(features: Floats, base: Floats, trials: Floats, counts: Floats) -> Floats:
    """Slopes of the complementary log-log model `counts ~ trials · (1 − exp(−exp(base + features · slopes)))`.

    Fisher scoring with Poisson variance and a unit ridge, which keeps features that do not vary at 0.
    """
    slopes = np.zeros(features.shape[1])
    for _ in range(15):
        rate = np.exp(np.clip(base + features @ slopes, -50.0, 4.0))
        mean = np.maximum(trials * -np.expm1(-rate), 1e-12)
        slope = trials * rate * np.exp(-rate)
        score = features.T @ ((counts - mean) * slope / mean) - slopes
        weighted = features * (slope * slope / mean)[:, None]
        step = np.linalg.solve(features.T @ weighted + np.eye(len(slopes)), score)
        slopes += step
        if np.max(np.abs(step)) < 1e-4:
            break
    return slopes


def _level(inside: Floats, rate: Floats, top_k: int) -> Floats:
    """Logarithm of the factor on `rate` at which `Σ inside · (1 − exp(−rate))` is `top_k`, `[laws, 1]`, by bisection."""
    low, high = np.full((len(rate), 1), -60.0), np.full((len(rate), 1), 60.0)
    log = np.log(np.maximum(rate, 1e-300))
    for _ in range(48):
        middle = (low + high) / 2
        above = (inside * -np.expm1(-np.exp(np.minimum(log + middle, 5.0)))).sum(axis=1, keepdims=True) > top_k
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2
