"""A fixed sample of tokens, drawn once from the law, and what its chunks of up to 96 tokens look like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moec.compiler.placement.slots import Slots
from moec.compiler.routing.cells import slots_of
from moec.compiler.routing.race import Gate, clocks, draw, race
from moec.compiler.routing.seeds import POOL, generator

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK = 96
BLOCKS = 171
"""171 blocks of 96 tokens, 16,416 in all; each block belongs to one layer."""

CHUNKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 96)
"""Chunk sizes that are looked at; each divides the block and is twice an earlier one, or 1 or 3."""


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """`chosen` `[blocks, BLOCK, top_k]` experts; `layer` `[blocks]`: whose law drew the block."""

    chosen: NDArray[np.int16]
    layer: Ints

    def counts(self, layers: int, experts: int) -> tuple[Floats, Floats]:
        """Choices per layer and expert `[layers, experts]`, and tokens per layer `[layers]`."""
        key = self.layer[:, None, None] * experts + self.chosen
        counts = np.bincount(key.ravel(), minlength=layers * experts).reshape(layers, experts)
        return counts.astype(float), np.bincount(self.layer, minlength=layers) * float(BLOCK)


@dataclass(frozen=True, slots=True, eq=False)
class ChunkMeans:
    """Means over the pool, all layers counting alike, for chunks of `CHUNKS` tokens: arrays `[chunk sizes]`.

    Expected maxima over cells of rows, hits and active slots; the expected active slots of a cell. Then, of single
    tokens: the mean of the cells visited and its variance.
    """

    rows_max: Floats
    hits_max: Floats
    active_max: Floats
    active: Floats
    visited: float
    visited_variance: float


def draw_pool(gate: Gate, weights: Floats, seed: int) -> Pool:
    """Tokens of every layer of `weights` `[layers, experts]` in turn, drawn as in `drawn` mode."""
    rng = generator(seed, POOL)
    layer = np.arange(BLOCKS) % len(weights)
    if gate.limited:
        parts = [
            race(gate, clocks(weights[layer[b : b + 16], None, :], (len(layer[b : b + 16]), BLOCK), rng).reshape(-1, gate.experts))
            for b in range(0, BLOCKS, 16)
        ]  # fmt: skip
        chosen = np.concatenate(parts)
    else:
        chosen = _by_rank(gate, weights, layer, rng)
    return Pool(chosen.reshape(BLOCKS, BLOCK, gate.top_k), layer)


def _by_rank(gate: Gate, weights: Floats, layer: Ints, rng: np.random.Generator) -> NDArray[np.int16]:
    """Draws without a group limit: layers with the same weights in another order share one draw of ranks."""
    order = np.argsort(-weights, axis=1, kind="stable").astype(np.int16)
    ranked = np.take_along_axis(weights, order.astype(np.int64), axis=1)
    if np.all(ranked == ranked[:1]):
        ranks = draw(gate, ranked[0], BLOCKS * BLOCK, rng)
    else:
        ranks = np.empty((BLOCKS, BLOCK, gate.top_k), np.int16)
        for row in np.unique(layer):
            mine = np.flatnonzero(layer == row)
            ranks[mine] = draw(gate, ranked[row], len(mine) * BLOCK, rng).reshape(len(mine), BLOCK, gate.top_k)
    flat = ranks.reshape(BLOCKS, -1)
    return np.take_along_axis(order[layer], flat.astype(np.int64), axis=1)


def chunk_means(pool: Pool, slots: Slots, seed: int) -> ChunkMeans:
    """What chunks of the pool's tokens do to the cells of `slots`."""
    layer = pool.layer if slots.alike else np.arange(BLOCKS) % len(slots.expert)
    weight = _block_weights(layer)
    rows, hits, active = _per_token(pool, slots, layer, seed)
    visited = hits.sum(axis=0, dtype=np.float64).reshape(BLOCKS, BLOCK)
    mean = float(weight @ visited.mean(axis=1))
    spread = float(weight @ ((visited - mean) ** 2).mean(axis=1))
    found = np.zeros((4, len(CHUNKS)))
    single = (rows, hits, active)
    states = {1: single, 3: _merge(single, 3)}
    for i, size in enumerate(CHUNKS):
        if size not in states:
            states[size] = _merge(states.pop(size // 2), 2)
        found[:, i] = _observe(states[size], slots, weight)
    return ChunkMeans(*found, visited=mean, visited_variance=spread)


State = tuple[NDArray[np.int16], NDArray[np.int16], NDArray[np.bool_]]


def _per_token(pool: Pool, slots: Slots, layer: Ints, seed: int) -> State:
    """Rows and hits `[cells, tokens]` and active slots `[slots, tokens]` of single tokens."""
    tokens, cells = BLOCKS * BLOCK, slots.cells
    slot = np.empty((BLOCKS, BLOCK, pool.chosen.shape[2]), np.int64)
    first = generator(seed, POOL, 1).integers(0, 1 << 30, (BLOCKS, slots.experts))
    for row in np.unique(layer):
        mine = np.flatnonzero(layer == row)
        chosen = pool.chosen[mine]
        turn = np.arange(BLOCK)[:, None] + first[mine[:, None, None], chosen]
        slot[mine] = slots_of(chosen, slots, int(row), turn)
    column = np.arange(tokens)[:, None]
    flat = slot.reshape(tokens, -1)
    rows = np.bincount((flat // slots.per_cell * tokens + column).ravel(), minlength=cells * tokens)
    rows = rows.reshape(cells, tokens).astype(np.int16)
    active = np.zeros((slots.expert.shape[1], tokens), dtype=bool)
    active[flat, column] = True
    return rows, np.minimum(rows, np.int16(1)), active


def _merge(state: State, parts: int) -> State:
    """Chunks of `parts` neighbours each."""
    rows, hits, active = state
    together = active[:, 0::parts]
    for i in range(1, parts):
        together = together | active[:, i::parts]
    return (
        sum((rows[:, i::parts] for i in range(1, parts)), start=rows[:, 0::parts]),
        sum((hits[:, i::parts] for i in range(1, parts)), start=hits[:, 0::parts]),
        together,
    )


def _observe(state: State, slots: Slots, weight: Floats) -> tuple[float, float, float, float]:
    """Means over chunks of the maxima of rows, hits and active slots, and of the active slots of a cell."""
    rows, hits, active = state
    chunks = rows.shape[1]
    per_cell = active.reshape(slots.cells, slots.per_cell, chunks).sum(axis=1, dtype=np.int16)

    def mean(values: NDArray[np.int16]) -> float:
        return float(weight @ values.reshape(BLOCKS, -1).mean(axis=1, dtype=np.float64))

    busiest = [mean(array.max(axis=0)) for array in (rows, hits, per_cell)]
    return busiest[0], busiest[1], busiest[2], mean(per_cell.sum(axis=0, dtype=np.int16)) / slots.cells


def _block_weights(layer: Ints) -> Floats:
    """Weights `[blocks]` that sum to 1 and give every layer the same."""
    blocks = np.bincount(layer)
    weight: Floats = 1.0 / (blocks[layer] * (blocks > 0).sum())
    return weight
