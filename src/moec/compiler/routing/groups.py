"""How likely each expert group is among the best ones of a token: by quadrature over the score at the border."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moec.compiler.routing.race import Gate

Floats = NDArray[np.float64]

_TIMES = 40
_RATIOS = 16
_RATIO_REACH = 8.0


def group_inclusion(gate: Gate, weights: Floats) -> Floats:
    """Probability that each group is among the `gate.limit` best, `[laws, groups]`, for `weights` `[laws, experts]`.

    Group scores are independent. A group gets in when fewer than `limit` of the others have a smaller product of
    clocks; integrated over its own product. Relative error about 0.1 %, then scaled so that rows sum to `limit`.
    """
    laws = len(weights)
    share = (weights / weights.sum(axis=1, keepdims=True)).reshape(laws, gate.groups, -1)
    total = share.sum(axis=2)
    roots = np.geomspace(0.12, 9.0, _TIMES) / np.median(total, axis=1)[:, None]
    below = _below(share, total, roots)
    room = np.stack([_fewer(np.delete(below, g, axis=1), gate.limit) for g in range(gate.groups)], axis=1)
    gain = np.diff(below, axis=2, prepend=0.0)
    middle = np.concatenate([np.ones_like(room[:, :, :1]), (room[:, :, 1:] + room[:, :, :-1]) / 2], axis=2)
    chosen = (gain * middle).sum(axis=2)
    return np.minimum(chosen * gate.limit / chosen.sum(axis=1, keepdims=True), 1.0)


def _below(share: Floats, total: Floats, roots: Floats) -> Floats:
    """P(product of a group's two earliest clocks < root²), `[laws, groups, roots]`.

    With W the group's total, v the root, and the earlier clock at v·exp(−a), the product is larger with probability
    exp(−W v) + ∫ v exp(−a) Σ_e w_e exp(−(W − w_e) v exp(a) − w_e v exp(−a)) da.
    """
    if share.shape[2] == 1:
        return -np.expm1(-total[:, :, None] * roots[:, None, :] ** 2)
    weight = share.astype(np.float32)
    others = np.maximum(total[:, :, None] - share, 0.0).astype(np.float32)
    root = roots.astype(np.float32)[:, None, None, :]
    above = np.exp(-total[:, :, None] * roots[:, None, :])
    at, gauss = np.polynomial.legendre.leggauss(_RATIOS)
    for a, measure in zip((at + 1) / 2 * _RATIO_REACH, gauss / 2 * _RATIO_REACH, strict=True):
        rate = others * np.float32(np.exp(a)) + weight * np.float32(np.exp(-a))
        ring = np.exp(-rate[..., None] * root)
        above += measure * np.exp(-a) * roots[:, None, :] * np.einsum("bge,bgev->bgv", weight, ring)
    return np.clip(1.0 - above, 0.0, 1.0)


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
