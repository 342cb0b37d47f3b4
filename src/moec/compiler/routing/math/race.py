"""How tokens draw their experts: the exponential race, with or without a limit on expert groups."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Floats
from moec.dsl.schema import Moe

Ids = NDArray[np.int16]

CHUNK = 8192
"""Tokens drawn together: the clocks of one chunk fit in a processor's cache."""

_BINS = 4096


@dataclass(frozen=True, slots=True)
class Gate:
    """What a token may choose: `top_k` of `experts`, within the `limit` best of `groups` equal runs of expert ids."""

    experts: int
    top_k: int
    groups: int
    limit: int

    @property
    def limited(self) -> bool:
        """True when groups rule out some choices."""
        return self.limit < self.groups


def gate_of(moe: Moe) -> Gate:
    """The gate of a mixture."""
    return Gate(moe.experts, moe.top_k, moe.groups, moe.groups if moe.group_limit is None else moe.group_limit)


def draw(gate: Gate, weights: Floats, tokens: int, rng: np.random.Generator) -> Ids:
    """The experts of `tokens` tokens, `[tokens, top_k]`, distinct in each row, in no particular order.

    `weights` `[experts]`: expert e's clock is Exp(1)/weights[e] and the earliest clocks win, which is successive
    sampling without replacement. A weight of 0 never wins while enough others are left.
    """
    sizes = [min(CHUNK, tokens - start) for start in range(0, tokens, CHUNK)]
    tries = _tries(weights, gate.top_k)
    if gate.limited or tries > 4 * gate.top_k + 8 or 2 * tries > gate.experts:
        parts = [race(gate, clocks(weights, (n,), rng)) for n in sizes]
    else:
        parts = [_in_sequence(weights, gate.top_k, tries, n, rng) for n in sizes]
    return np.concatenate([np.empty((0, gate.top_k), np.int16), *parts])


def clocks(weights: Floats, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Exponential clocks `shape + [experts]`; `weights` broadcasts against them, a weight of 0 never rings."""
    share = weights / weights.max(axis=-1, keepdims=True)
    mean = np.where(share > 1e-30, 1.0 / np.maximum(share, 1e-30), np.inf).astype(np.float32)
    ticks: NDArray[np.float32] = rng.standard_exponential((*shape, weights.shape[-1]), dtype=np.float32)
    # The ziggurat can return 0 exactly, and 0 · inf has no value.
    np.maximum(ticks, np.float32(1e-38), out=ticks)
    with np.errstate(over="ignore"):
        ticks *= mean
    return ticks


def race(gate: Gate, ticks: NDArray[np.float32]) -> Ids:
    """The winners `[tokens, top_k]` of clocks `[tokens, experts]`."""
    if not gate.limited:
        return _earliest(ticks, gate.top_k)
    size = gate.experts // gate.groups
    by_group = ticks.reshape(-1, gate.groups, size)
    groups = _earliest(group_scores(by_group), gate.limit)
    inside = by_group[np.arange(len(ticks))[:, None], groups].reshape(len(ticks), -1)
    pick = _earliest(inside, gate.top_k)
    winners: Ids = np.take_along_axis(groups, pick // size, axis=1) * np.int16(size) + pick % size
    return winners


def group_scores(by_group: NDArray[np.float32]) -> NDArray[np.float32]:
    """A group's score, the smaller the better: the product of its two earliest clocks, `[tokens, groups]`.

    An expert's affinity is −log(clock), so the sum of a group's two best affinities is −log of this product.
    The rule is that of DeepSeek-V3's gate (arXiv 2412.19437, section 2.1.2, and the released gate code).
    """
    if by_group.shape[-1] == 1:
        return by_group[..., 0]
    two = np.partition(by_group, 1, axis=-1)
    with np.errstate(over="ignore"):
        product: NDArray[np.float32] = two[..., 0] * two[..., 1]
    return product


def _earliest(ticks: NDArray[np.float32], count: int) -> Ids:
    if count == ticks.shape[1]:
        return np.broadcast_to(np.arange(count, dtype=np.int16), ticks.shape).copy()
    return np.argpartition(ticks, count - 1, axis=1)[:, :count].astype(np.int16)


def _tries(weights: Floats, top_k: int) -> int:
    """Draws with replacement after which nearly every token has seen `top_k` distinct experts."""
    share = weights / weights.sum()
    tries = top_k
    while tries <= 4 * top_k + 8:
        seen = -np.expm1(tries * np.log1p(-np.minimum(share, 1 - 1e-12)))
        if seen.sum() - 1.7 * math.sqrt((seen * (1 - seen)).sum()) >= top_k:
            return tries
        tries += 1
    return tries


def _in_sequence(weights: Floats, top_k: int, tries: int, tokens: int, rng: np.random.Generator) -> Ids:
    """Draw with replacement, keep first appearances; the few tokens that fall short finish by the race.

    The first appearances of draws with replacement are draws without replacement; and since the exponential law has
    no memory, a race among the experts not yet seen continues them exactly.
    """
    seen = _with_replacement(weights, rng.random((tries, tokens)))
    new = np.ones((tries, tokens), dtype=bool)
    for j in range(1, tries):
        for i in range(j):
            new[j] &= seen[j] != seen[i]
    order = np.cumsum(new, axis=0, dtype=np.int8)
    winners = np.zeros((top_k, tokens), np.int16)
    for j in range(tries):
        at = np.flatnonzero(new[j] & (order[j] <= top_k))
        winners[order[j, at] - 1, at] = seen[j, at]
    short = np.flatnonzero(order[-1] < top_k)
    ticks = clocks(weights, (len(short),), rng)
    for j in range(tries):
        ticks[np.arange(len(short)), seen[j, short]] = -1.0
    winners[:, short] = _earliest(ticks, top_k).T
    return np.ascontiguousarray(winners.T)


def _with_replacement(weights: Floats, point: Floats) -> Ids:
    """The expert at each point of [0, 1), laid out by weight: a table of 4096 bins, a search where a bin has several."""
    upto = np.cumsum(weights) / weights.sum()
    upto[np.flatnonzero(weights)[-1] :] = 1.0
    start = np.searchsorted(upto, np.arange(_BINS + 1) / _BINS, side="right")
    bins = (point * _BINS).astype(np.int32)
    expert: Ids = start.astype(np.int16)[bins]
    expert += point >= upto[expert]
    several = np.diff(np.minimum(start, len(upto) - 1)) > 1
    if several.any():
        unsure = several[bins]
        expert[unsure] = np.searchsorted(upto, point[unsure], side="right")
    return expert
