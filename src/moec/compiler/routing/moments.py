"""Exact means, and variances of the normal model, of what cells receive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moec.compiler.placement.slots import Slots
from moec.compiler.routing.inclusion import set_inclusion
from moec.compiler.routing.maxima import Spread
from moec.compiler.routing.race import Gate

Floats = NDArray[np.float64]

_BINS_PER_OCTAVE = 32


@dataclass(frozen=True, slots=True, eq=False)
class SlotLaw:
    """Each slot's part in the law, `[layers, slots]`: its expert's inclusion probability and number of replicas.

    `weight`: of the slot in a race without groups among slots that gives each slot its share of the probability.
    """

    chance: Floats
    replicas: Floats
    weight: Floats
    cells: int
    top_k: int

    @property
    def per_cell(self) -> int:
        """Slots of one cell."""
        return self.chance.shape[1] // self.cells

    def by_cell(self, slots: Floats) -> Floats:
        """Sums over the slots of each cell, `[…, cells]`."""
        return slots.reshape(*slots.shape[:-1], self.cells, -1).sum(axis=-1)


def slot_law(gate: Gate, weights: Floats, inclusion: Floats, slots: Slots) -> SlotLaw:
    """The law of the slots for weights and inclusion probabilities `[layers, experts]`; one layer when all are alike."""
    expert, replicas = slots.expert, slots.replicas
    if slots.alike and np.all(inclusion == inclusion[:1]):
        expert, replicas, inclusion, weights = expert[:1], replicas[:1], inclusion[:1], weights[:1]
    chance = np.take_along_axis(inclusion, expert, axis=1)
    copies = np.take_along_axis(replicas, expert, axis=1).astype(float)
    quiet = np.log1p(-np.minimum(chance / copies, 1.0 - 1e-12))
    weight = -quiet
    if not gate.limited:
        whole = np.log1p(-np.minimum(chance, 1.0 - 1e-12))
        shared = np.divide(quiet, whole, out=np.ones_like(quiet), where=copies > 1)
        weight = np.take_along_axis(weights, expert, axis=1) * shared
    return SlotLaw(chance, copies, weight, slots.cells, gate.top_k)


def activation(chance: Floats, replicas: Floats, tokens: Floats) -> Floats:
    """P(at least one of `tokens` tokens reaches a slot); arguments broadcast.

    Replicas take turns, so a slot sees every r-th token: ⌊T/r⌋ of them or one more.
    """
    share = tokens / replicas
    turns = np.floor(share)
    quiet = np.exp(turns * np.log1p(-np.minimum(chance, 1.0 - 1e-15)))
    return 1.0 - quiet * (1.0 - (share - turns) * chance)


def mean_active(law: SlotLaw, tokens: Floats) -> Floats:
    """Expected active slots of a cell, averaged over cells and layers, for `tokens` of any shape.

    Slots are put into bins of 1/32 octave of their chance, at the bin's mean; that changes the result by less than
    a part in 10,000.
    """
    chance, replicas = law.chance.ravel(), law.replicas.ravel()
    octave = np.round(np.log2(np.maximum(chance, 1e-18)) * _BINS_PER_OCTAVE)
    _, of, size = np.unique(octave * 1024 + replicas, return_inverse=True, return_counts=True)
    mean_chance = np.bincount(of, weights=chance) / size
    mean_replicas = np.bincount(of, weights=replicas) / size
    active = activation(mean_chance, mean_replicas, np.asarray(tokens, dtype=float)[..., None])
    mean: Floats = active @ size * (law.per_cell / law.chance.size)
    return mean


def row_spread(law: SlotLaw, tokens: Floats) -> Spread:
    """Token–expert pairs per cell; their sum is fixed."""
    p, share = law.chance, 1.0 / law.replicas
    once = p * (1.0 - p) * share
    variance = law.by_cell(once)
    skew = law.by_cell(once * (1.0 - 2.0 * p)) / np.maximum(variance, 1e-300)
    mean = law.by_cell(p * share)
    t = tokens[:, None, None]
    return Spread(t * mean, t * variance, skew, np.ones(len(tokens)))


def hit_spread(law: SlotLaw, tokens: Floats, visited: float, visited_variance: float) -> Spread:
    """Tokens that reach a cell, where single tokens visit `visited` cells on average, with that variance."""
    p = hit_chance(law, visited)
    variance = p * (1.0 - p)
    total = max(float(variance.sum(axis=1).mean()), 1e-300)
    shared = 1.0 - np.sqrt(visited_variance / total)
    t = tokens[:, None, None]
    return Spread(t * p, t * variance, 1.0 - 2.0 * p, np.full(len(tokens), shared))


def hit_chance(law: SlotLaw, visited: float) -> Floats:
    """P(a token reaches a cell), `[layers, cells]`, with `visited` as the mean of its sum over cells.

    Exact without replicas and group limits. These are put in by one power of the probability to miss a cell, the
    same for all cells, that gives the right mean.
    """
    if law.per_cell == 1:
        return law.chance / law.replicas
    missed = np.log1p(-np.minimum(set_inclusion(law.weight, law.top_k, law.cells), 1.0 - 1e-12))
    low, high = 0.25, 4.0
    for _ in range(30):
        power = (low + high) / 2
        low, high = (power, high) if -np.expm1(power * missed).sum(axis=1).mean() < visited else (low, power)
    return -np.expm1((low + high) / 2 * missed)


def active_spread(law: SlotLaw, tokens: Floats) -> Spread:
    """Active slots per cell.

    The common deviation is what is left of the slots' variance when the number of pairs is fixed (occupancy).
    """
    t = tokens[:, None, None]
    active = activation(law.chance, law.replicas, t)
    quiet = 1.0 - active
    variance = law.by_cell(active * quiet)
    skew = law.by_cell(active * quiet * (quiet - active)) / np.maximum(variance, 1e-300)
    pairs = t * law.chance / law.replicas
    tied = (pairs * quiet).sum(axis=2) ** 2 / np.maximum((pairs * (1.0 - law.chance)).sum(axis=2), 1e-300)
    part = 1.0 - tied / np.maximum(variance.sum(axis=2), 1e-300)
    shared = 1.0 - np.sqrt(np.clip(part, 0.0, 1.0)).mean(axis=1)
    return Spread(law.by_cell(active), variance, skew, shared, float(law.per_cell))
