"""How likely each expert group is among the best ones of a token: by quadrature over the score at the border."""

from __future__ import annotations

import numpy as np

from moec.arrays import Floats
from moec.compiler.routing.math.race import Gate

_RATIOS = 20
_RATIO_REACH = 18.0


def group_inclusion(gate: Gate, weights: Floats) -> Floats:
    """Probability that each group is among the `gate.limit` best, `[laws, groups]`, for `weights` `[laws, experts]`.

    Group scores are independent. A group gets in when fewer than `limit` of the others have a smaller product of
    clocks; integrated over its own product. Relative error about 0.1 %, then scaled so that rows sum to `limit`.
    """
    laws = len(weights)
    if np.all(weights == weights[:, :1]):
        return np.full((laws, gate.groups), gate.limit / gate.groups)
    share = (weights / weights.sum(axis=1, keepdims=True)).reshape(laws, gate.groups, -1)
    total = share.sum(axis=2)
    below = _below(share, total, _roots(gate, total))
    room = np.stack([_fewer(np.delete(below, g, axis=1), gate.limit) for g in range(gate.groups)], axis=1)
    gain = np.diff(below, axis=2, prepend=0.0)
    middle = np.concatenate([np.ones_like(room[:, :, :1]), (room[:, :, 1:] + room[:, :, :-1]) / 2], axis=2)
    chosen = (gain * middle).sum(axis=2)
    scaled: Floats = np.minimum(chosen * gate.limit / chosen.sum(axis=1, keepdims=True), 1.0)
    return scaled


def _roots(gate: Gate, total: Floats) -> Floats:
    """Roots of products, `[laws, roots]`, from before the last group that gets in rings to after the next one has."""
    ranked = np.maximum(np.sort(total, axis=1)[:, ::-1], 1e-12)
    last, next_one = ranked[:, gate.limit - 1], ranked[:, gate.limit]
    low, high = np.log(0.12 / last), np.log(9.0 / np.maximum(next_one, 1e-9 * last))
    count = int(28 + 3 * np.max(high - low))
    return np.exp(np.linspace(low, high, min(count, 200), axis=1))


def _below(share: Floats, total: Floats, roots: Floats) -> Floats:
    """P(product of a group's two earliest clocks < root²), `[laws, groups, roots]`.

    Expert e rings first, at v·exp(−a) with v the root; then another of the group does before v·exp(a). With W the
    group's total weight: ∫ v exp(−a) exp(−W v exp(−a)) Σ_e w_e (1 − exp(−(W − w_e) 2 v sinh a)) da.
    """
    if share.shape[2] == 1:
        return -np.expm1(-total[:, :, None] * roots[:, None, :] ** 2)
    weight = share.astype(np.float32)
    others = np.maximum(total[:, :, None] - share, 0.0)
    root = roots.astype(np.float32)[:, None, None, :]
    below = np.zeros((*total.shape, roots.shape[1]))
    at, gauss = np.polynomial.legendre.leggauss(_RATIOS)
    for a, measure in zip((at + 1) / 2 * _RATIO_REACH, gauss / 2 * _RATIO_REACH, strict=True):
        rate = (others * (2.0 * np.sinh(a))).astype(np.float32)
        second = np.float32(1.0) - np.exp(-rate[..., None] * root)
        early = roots[:, None, :] * np.exp(-a)
        below += measure * early * np.exp(-total[:, :, None] * early) * np.einsum("bge,bgev->bgv", weight, second)
    return np.clip(below, 0.0, 1.0)


def _fewer(below: Floats, limit: int) -> Floats:
    """P(fewer than `limit` of the groups are below), `[laws, roots]`, for `below` `[laws, groups, roots]`."""
    count = np.zeros((limit, len(below), below.shape[2]))
    count[0] = 1.0
    for g in range(below.shape[1]):
        arrived = count[:-1] * below[:, g]
        count *= 1.0 - below[:, g]
        count[1:] += arrived
    total: Floats = count.sum(axis=0)
    return total
