"""How likely each expert is among a token's choices under a group limit: a regression on drawn tokens."""

from __future__ import annotations

import numpy as np

from moec.arrays import Floats
from moec.compiler.routing.math.race import Gate
from moec.compiler.routing.math.regression import fit


def limited_inclusion(gate: Gate, weights: Floats, groups: Floats, counts: Floats, tokens: Floats) -> Floats:
    """Inclusion probabilities `[laws, experts]` of group-limited laws; each row sums to `top_k`.

    `counts` `[laws, experts]` are choices among `tokens` `[laws]` drawn tokens. There is no closed form. Group g's
    chance q_g is known (`groups` `[laws, groups]`); inside a chosen group, expert e wins with 1 − exp(−exp(η_e)), where η is log w_e
    plus a polynomial in the expert's and its group's standing, the same for all laws, fitted by maximum likelihood.
    All laws share the drawn tokens, so the figures are far smoother than counts; docs/routing.md has the errors.
    """
    if np.all(weights == weights[:, :1]):
        return np.full(weights.shape, gate.top_k / gate.experts)
    inside = np.repeat(groups, gate.experts // gate.groups, axis=1)
    usable = weights > 0
    base = np.log(np.where(usable, weights, 1.0)) + _level(inside * usable, weights, gate.top_k)
    features = _features(gate, weights, np.clip(base, -20.0, 20.0), inside)
    slopes = fit(features[usable], base[usable], (tokens[:, None] * inside)[usable], counts[usable])
    eta = np.clip(base + features @ slopes, -50.0, 4.0)
    level = _level(inside * usable, np.exp(eta), gate.top_k)
    chance: Floats = inside * usable * -np.expm1(-np.exp(eta + level))
    return chance


def _features(gate: Gate, weights: Floats, base: Floats, inside: Floats) -> Floats:
    """Of every expert, `[laws, experts, features]`: its weight, its group's chance, its share of it, the group's skew.

    The weight enters so that it has no effect when small: a rare expert's chance is in proportion to its weight. A
    rarely chosen group brings its two earliest experts whatever its weight W, and its chance goes with W²: hence a term
    that grows with half the logarithm of the chance, and otherwise bounded ones.
    """
    grouped = weights.reshape(len(weights), gate.groups, -1)
    total = np.maximum(grouped.sum(axis=2, keepdims=True), 1e-300)
    share = (grouped / total).reshape(weights.shape)
    skew = np.sqrt(((grouped / total) ** 2).sum(axis=2)).repeat(grouped.shape[2], axis=1)
    chance = np.clip(inside, 1e-12, 1 - 1e-12)
    odds = np.log(chance / (1 - chance))
    rare = np.log1p(np.exp(-odds / 2))
    x, y, z, h = np.log1p(np.exp(base)), 5 * np.tanh(odds / 5), share, skew
    one = np.ones_like(x)
    return np.stack([one, x, rare, y, z, x * x, x * y, y * y, x * z, y * z, z * z, h, h * x, h * y], axis=-1)


def _level(inside: Floats, rate: Floats, top_k: int) -> Floats:
    """Logarithm of the factor on `rate` at which `Σ inside · (1 − exp(−rate))` is `top_k`, `[laws, 1]`, by bisection."""
    low, high = np.full((len(rate), 1), -60.0), np.full((len(rate), 1), 60.0)
    log = np.log(np.maximum(rate, 1e-300))
    for _ in range(36):
        middle = (low + high) / 2
        above = (inside * -np.expm1(-np.exp(np.minimum(log + middle, 5.0)))).sum(axis=1, keepdims=True) > top_k
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    log_factor: Floats = (low + high) / 2
    return log_factor
