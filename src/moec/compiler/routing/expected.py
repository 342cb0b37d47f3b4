"""Means and expected maxima of the law for any number of tokens: `expected` mode."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.arrays import Array, Floats
from moec.compiler.routing.math.maxima import Spread, expected_maxima, matching_scale, slot_maxima
from moec.compiler.routing.math.moments import SlotLaw, activation, active_spread, hit_spread, mean_active, row_spread
from moec.compiler.routing.math.pool import CHUNKS, ChunkMeans
from moec.compiler.routing.outcome import Expected

PER_OCTAVE = 32
OCTAVES = 24
"""Curves are kept at 32 points per octave of tokens, up to 2^24 tokens, and interpolated linearly between them."""

_KNOTS = np.concatenate([2.0 ** np.arange(7, 12, 0.5), 2.0 ** np.arange(12, OCTAVES + 1)])
_MATCHED = (48, 96)
_FEW_SLOTS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """The law as functions of tokens: `active` and ratios of expected maximum to mean, `[points]`.

    `pairs`, `hits`: means of one token and cell; `slots`: of one cell.
    """

    pairs: float
    hits: float
    slots: int
    active: Floats
    rows_ratio: Floats
    hits_ratio: Floats
    active_ratio: Floats

    def at(self, tokens: Array) -> Expected:
        """Means and maxima for token totals of any shape; below one token, ratios stay and means shrink in line."""
        t = np.asarray(tokens, dtype=float)
        place = np.minimum(np.log2(np.maximum(t, 1.0)) * PER_OCTAVE, PER_OCTAVE * OCTAVES - 1e-9)
        point = place.astype(np.int64)
        part = place - point

        def read(curve: Floats) -> Floats:
            low = curve[point]
            between: Floats = low + part * (curve[point + 1] - low)
            return between

        active = read(self.active) * np.minimum(t, 1.0)
        active_max = np.minimum(active * read(self.active_ratio), self.slots)
        rows, ratio = t * self.pairs, read(self.rows_ratio)
        constant = np.ones_like(t)
        return Expected(
            rows=rows, rows_max=rows * ratio, active=active, active_max=active_max,
            hits=self.hits * constant, hits_straggle=read(self.hits_ratio),
            visits=self.pairs * constant, visits_straggle=ratio,
            node_hits=0 * constant, node_hits_straggle=0 * constant, node_visits_straggle=0 * constant,
        )  # fmt: skip


def grid() -> Floats:
    """The numbers of tokens at which curves are kept."""
    points: Floats = 2.0 ** (np.arange(PER_OCTAVE * OCTAVES + 1) / PER_OCTAVE)
    return points


def balanced(law: SlotLaw) -> Curves:
    """The curves of a single cell, which gets everything."""
    even = np.ones(PER_OCTAVE * OCTAVES + 1)
    return Curves(float(law.gate.top_k), 1.0, law.per_cell, mean_active(law, grid()), even, even, even)


def curves(law: SlotLaw, seen: ChunkMeans, seed: int) -> Curves:
    """Ratios as seen in chunks of the pool up to 96 tokens, by the normal model from 128 on.

    The model's deviations are scaled to agree with chunks of 48 and 96 tokens.
    """
    pairs, hits = law.gate.top_k / law.cells, seen.visited / law.cells
    sizes, matched = np.array(CHUNKS, dtype=float), np.array(_MATCHED, dtype=float)
    many = np.concatenate([matched, _KNOTS])
    rows = _ratio(row_spread(law, many), seen.rows_max / (sizes * pairs), seed)
    reached = _ratio(hit_spread(law, many, seen), seen.hits_max / (sizes * hits), seed)
    slots = _slots_ratio(law, many, seen.active_max / seen.active, seed)
    return Curves(pairs, hits, law.per_cell, mean_active(law, grid()), rows, np.minimum(reached, 1.0 / hits), slots)


def _slots_ratio(law: SlotLaw, many: Floats, seen: Floats, seed: int) -> Floats:
    """The ratio for active slots: exact for independent slots where cells have few, else by the normal model."""
    if law.per_cell > _FEW_SLOTS:
        return _ratio(active_spread(law, many), seen, seed)
    chance = activation(law.chance, _KNOTS[:, None, None])
    busiest = slot_maxima(chance.reshape(*chance.shape[:2], law.cells, law.per_cell))
    return _curve(seen, busiest / mean_active(law, _KNOTS))


def _ratio(model: Spread, seen: Floats, seed: int) -> Floats:
    """The ratio of maximum to mean at every point of the grid; `model` starts with the sizes it is matched at."""
    count = len(_MATCHED)
    mean = model.mean.mean(axis=(1, 2))
    at = [CHUNKS.index(size) for size in _MATCHED]
    scale = matching_scale(_part(model, slice(count)), seen[at] * mean[:count], seed)
    return _curve(seen, expected_maxima(_part(model, slice(count, None)), scale, seed) / mean[count:])


def _curve(near: Floats, far: Floats) -> Floats:
    """Ratios at every point of the grid, from those at the sizes of chunks and at the knots beyond."""
    knots = np.log2(np.concatenate([CHUNKS, _KNOTS]))
    return np.maximum(_smooth(np.log2(grid()), knots, np.concatenate([near, far])), 1.0)


def _smooth(at: Floats, knots: Floats, values: Floats) -> Floats:
    """Cubic Hermite interpolation, with slopes of the parabola through each knot and its neighbours."""
    slopes = np.gradient(values, knots)
    i = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    width = knots[i + 1] - knots[i]
    x = (at - knots[i]) / width
    start, end = slopes[i] * width, slopes[i + 1] * width
    rise = values[i + 1] - values[i]
    curve: Floats = values[i] + x * (rise + (1 - x) * ((1 - x) * (start - rise) + x * (rise - end)))
    return curve


def _part(spread: Spread, tokens: slice) -> Spread:
    skew = spread.skew if spread.skew.ndim < 3 else spread.skew[tokens]
    return Spread(spread.mean[tokens], spread.variance[tokens], skew, spread.shared[tokens], spread.ceiling)
