"""Exact means, and variances of the normal model, of what cells receive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Floats, Ints
from moec.compiler.placement.slots import Slots
from moec.compiler.routing.math.inclusion import set_inclusion
from moec.compiler.routing.math.maxima import Spread
from moec.compiler.routing.math.pool import ChunkMeans
from moec.compiler.routing.math.race import Gate
from moec.compiler.routing.math.regression import fit

_BINS_PER_OCTAVE = 32


@dataclass(frozen=True, slots=True, eq=False)
class SlotLaw:
    """What a token may do to the slots, `[layers, slots]`, of layers that differ.

    `expert`: in the slot; `chance`: that a token reaches the slot: its expert's inclusion probability over its
    replicas, which `split` is the number of; `merged`: the same with replicas that share a cell put into the first of
    them, as a token reaches one at most; `weight`: the expert's in the race. `groups` `[layers, groups]`: the chance
    of each expert group under a group limit, None without one.
    """

    gate: Gate
    cells: int
    expert: Ints
    chance: Floats
    merged: Floats
    split: Floats
    weight: Floats
    groups: Floats | None

    @property
    def per_cell(self) -> int:
        """Slots of one cell."""
        return int(self.chance.shape[1]) // self.cells

    def by_cell(self, slots: Floats) -> Floats:
        """Sums over the slots of each cell, `[…, cells]`."""
        total: Floats = slots.reshape(*slots.shape[:-1], self.cells, -1).sum(axis=-1)
        return total


def slot_law(gate: Gate, weights: Floats, groups: Floats | None, inclusion: Floats, slots: Slots) -> SlotLaw:
    """The law of the slots, for `weights` and inclusion probabilities `[laws, experts]`, and `groups` `[laws, groups]`.

    One law stands for all layers that `slots` tells apart; if it does not either, one layer stands for all.
    """
    layers = 1 if len(weights) == 1 and slots.alike else len(slots.expert)
    expert = slots.expert[:layers]

    def of_slot(values: NDArray[Any]) -> Floats:
        wide = np.broadcast_to(values[:layers].astype(float), (layers, gate.experts))
        return np.take_along_axis(wide, expert, axis=1)

    split = of_slot(slots.replicas)
    if groups is not None:
        groups = np.broadcast_to(groups, (layers, gate.groups))
    chance = of_slot(inclusion) / split
    merged = chance if np.all(split == 1) else _merge(expert.reshape(len(expert), slots.cells, -1), chance)
    return SlotLaw(gate, slots.cells, expert, chance, merged, split, of_slot(weights), groups)


def _merge(expert: Ints, chance: Floats) -> Floats:
    """Chances `[layers, slots]` summed over the slots with the same expert in a cell, at the first of them, else 0."""
    same = expert[..., :, None] == expert[..., None, :]
    total = (same * chance.reshape(expert.shape)[..., None, :]).sum(axis=-1)
    first = np.argmax(same, axis=-1) == np.arange(expert.shape[-1])
    merged: Floats = (total * first).reshape(chance.shape)
    return merged


def activation(chance: Floats, tokens: Floats) -> Floats:
    """P(at least one of `tokens` tokens reaches a slot of that chance); arguments broadcast."""
    active: Floats = -np.expm1(tokens * np.log1p(-np.minimum(chance, 1.0 - 1e-15)))
    return active


def mean_active(law: SlotLaw, tokens: Floats) -> Floats:
    """Expected active slots of a cell, averaged over cells and layers, for `tokens` of any shape.

    Slots are put into bins of 1/32 octave of their chance, at the bin's mean; that changes the result by less than
    a part in 10,000.
    """
    chance = law.chance.ravel()
    octave = np.round(np.log2(np.maximum(chance, 1e-18)) * _BINS_PER_OCTAVE)
    _, of, size = np.unique(octave, return_inverse=True, return_counts=True)
    mean_chance = np.bincount(of, weights=chance) / size
    active = activation(mean_chance, np.asarray(tokens, dtype=float)[..., None])
    mean: Floats = active @ size * (law.per_cell / chance.size)
    return mean


def row_spread(law: SlotLaw, tokens: Floats) -> Spread:
    """Token–expert pairs per cell; their sum is fixed."""
    p = law.merged
    variance = law.by_cell(p * (1.0 - p))
    skew = law.by_cell(p * (1.0 - p) * (1.0 - 2.0 * p)) / np.maximum(variance, 1e-300)
    t = tokens[:, None, None]
    return Spread(t * law.by_cell(p), t * variance, skew, np.ones(len(tokens)))


def hit_spread(law: SlotLaw, tokens: Floats, seen: ChunkMeans) -> Spread:
    """Tokens that reach a cell; `seen` has what single tokens of the pool do."""
    p = hit_chance(law, seen.reached, seen.tokens)
    variance = p * (1.0 - p)
    total = max(float(variance.sum(axis=1).mean()), 1e-300)
    shared = 1.0 - np.sqrt(seen.visited_variance / total)
    t = tokens[:, None, None]
    return Spread(t * p, t * variance, 1.0 - 2.0 * p, np.full(len(tokens), shared))


def hit_chance(law: SlotLaw, reached: Floats, tokens: Floats) -> Floats:
    """P(a token reaches a cell), `[layers, cells]`.

    Exact without replicas and group limits. What these change is fitted to how many of `tokens` `[layers]` drawn ones
    were seen to reach the cells, `[layers, cells]`: a factor on the logarithm of the probability to miss that depends
    on the cell's load, on how concentrated it is and on the chance itself.
    """
    if law.per_cell == 1:
        return law.chance
    if law.groups is None and np.all(law.split == 1):
        return -np.expm1(_missed(law))
    missed = _missed_by_groups(law, law.groups) if law.groups is not None else _missed(law)
    base = np.log(np.maximum(-missed, 1e-12))
    load = law.by_cell(law.chance)
    uneven = law.by_cell(law.merged**2) / np.maximum(load, 1e-300)
    features = np.stack([np.ones_like(base), load, uneven, load * uneven, base], axis=-1)
    trials = np.broadcast_to(tokens[:, None], base.shape)
    slopes = fit(features.reshape(-1, features.shape[-1]), base.ravel(), trials.ravel(), reached.ravel())
    chance: Floats = -np.expm1(-np.exp(np.minimum(base + features @ slopes, 4.0)))
    return chance


def _missed(law: SlotLaw) -> Floats:
    """Logarithm of P(a token misses a cell), `[layers, cells]`, when replicas run in the race for themselves.

    Their weights then are such that each has its share of the expert's chance at about the same time.
    """
    whole = np.log1p(-np.minimum(law.chance * law.split, 1.0 - 1e-12))
    part = np.log1p(-np.minimum(law.merged, 1.0 - 1e-12))
    share = np.divide(part, whole, out=np.ones_like(part), where=law.split > 1)
    reached = set_inclusion(law.weight * share, law.gate.top_k, law.cells)
    return np.log1p(-np.minimum(reached, 1.0 - 1e-12))


def _missed_by_groups(law: SlotLaw, groups: Floats) -> Floats:
    """The same under a group limit, as if groups were independent, and slots within a chosen group."""
    missed = np.zeros((len(law.chance), law.cells))
    group = law.expert // (law.gate.experts // law.gate.groups)
    for g in range(law.gate.groups):
        chosen = np.maximum(groups[:, g : g + 1], 1e-300)
        inside = np.where(group == g, np.minimum(law.merged / chosen, 1.0 - 1e-12), 0.0)
        missed += np.log1p(np.minimum(chosen, 1.0 - 1e-12) * np.expm1(law.by_cell(np.log1p(-inside))))
    return missed


def active_spread(law: SlotLaw, tokens: Floats) -> Spread:
    """Active slots per cell.

    The common deviation is what is left of the slots' variance when the number of pairs is fixed (occupancy).
    """
    t = tokens[:, None, None]
    active = activation(law.chance, t)
    quiet = 1.0 - active
    variance = law.by_cell(active * quiet)
    skew = law.by_cell(active * quiet * (quiet - active)) / np.maximum(variance, 1e-300)
    pairs = t * law.chance
    tied = (pairs * quiet).sum(axis=2) ** 2 / np.maximum((pairs * (1.0 - law.chance)).sum(axis=2), 1e-300)
    part = 1.0 - tied / np.maximum(variance.sum(axis=2), 1e-300)
    shared = 1.0 - np.sqrt(np.clip(part, 0.0, 1.0)).mean(axis=1)
    return Spread(law.by_cell(active), variance, skew, shared, float(law.per_cell))
