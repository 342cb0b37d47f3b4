"""A fixed sample of tokens, drawn once from the law, and what its chunks of up to 96 tokens look like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Floats, Ints
from moec.compiler.placement.slots import Slots
from moec.compiler.routing.math.cells import expert_keys, slots_of
from moec.compiler.routing.math.race import Gate, clocks, draw, race
from moec.compiler.routing.math.seeds import POOL, generator
from moec.compiler.routing.math.sparse import MANY_CELLS, observe

BLOCK = 96
BLOCKS = 171
"""171 blocks of 96 tokens, 16,416 in all, and up to 8 times as many when a token has few experts.

Each block belongs to one layer.
"""

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
        tokens = BLOCK * np.bincount(self.layer, minlength=layers).astype(float)
        return counts.astype(float), tokens


@dataclass(frozen=True, slots=True, eq=False)
class ChunkMeans:
    """Means over the pool, all layers counting alike, for chunks of `CHUNKS` tokens: arrays `[chunk sizes]`.

    Expected maxima over cells of rows, hits and active slots; the expected active slots of a cell. Then, of single
    tokens: mean and variance of the number of cells visited, and how many of the `tokens` `[layers]` of each layer
    `reached` each cell, `[layers, cells]`.
    """

    rows_max: Floats
    hits_max: Floats
    active_max: Floats
    active: Floats
    visited: float
    visited_variance: float
    reached: Floats
    tokens: Floats


def draw_pool(gate: Gate, weights: Floats, seed: int) -> Pool:
    """Tokens of every layer of `weights` `[layers, experts]` in turn, drawn as in `drawn` mode."""
    rng = generator(seed, POOL)
    blocks = BLOCKS * max(1, 8 // gate.top_k)
    layer = np.arange(blocks) % len(weights)
    if gate.limited:
        drawn = []
        for part in np.array_split(layer, -(-blocks // 16)):
            ticks = clocks(weights[part][:, None, :], (len(part), BLOCK), rng)
            drawn.append(race(gate, ticks.reshape(-1, gate.experts)))
        chosen = np.concatenate(drawn)
    else:
        chosen = _by_rank(gate, weights, layer, rng)
    return Pool(chosen.reshape(blocks, BLOCK, gate.top_k), layer)


def _by_rank(gate: Gate, weights: Floats, layer: Ints, rng: np.random.Generator) -> NDArray[np.int16]:
    """Draws without a group limit: layers with the same weights in another order share one draw of ranks."""
    order = np.argsort(-weights, axis=1, kind="stable").astype(np.int16)
    ranked = np.take_along_axis(weights, order.astype(np.int64), axis=1)
    if np.all(ranked == ranked[:1]):
        ranks = draw(gate, ranked[0], len(layer) * BLOCK, rng)
    else:
        ranks = np.empty((len(layer), BLOCK, gate.top_k), np.int16)
        for row in sorted(set(layer.tolist())):
            mine = np.flatnonzero(layer == row)
            ranks[mine] = draw(gate, ranked[row], len(mine) * BLOCK, rng).reshape(len(mine), BLOCK, gate.top_k)
    flat = ranks.reshape(len(layer), -1)
    return np.take_along_axis(order[layer], flat.astype(np.int64), axis=1)


def chunk_means(pool: Pool, slots: Slots, layers: int, seed: int) -> ChunkMeans:
    """What chunks of the pool's tokens do to the cells of `slots`; `layers` is 1 when all layers are alike."""
    layer = np.arange(len(pool.layer)) % layers
    weight = _block_weights(layer)
    if slots.cells > MANY_CELLS:
        return _sparse_means(_slots(pool, slots, layer, seed), slots, layer, layers, weight)
    single = _per_token(pool, slots, layer, seed)
    hits = single[1].reshape(slots.cells, len(layer), BLOCK)
    visited = hits.sum(axis=0, dtype=np.float64)
    mean = float(weight @ visited.mean(axis=1))
    spread = float(weight @ ((visited - mean) ** 2).mean(axis=1))
    reached = np.zeros((layers, slots.cells))
    np.add.at(reached, layer, hits.sum(axis=2).T)
    tokens = BLOCK * np.bincount(layer, minlength=layers).astype(float)
    states = {1: single, 3: _merge(single, 3)}
    found = []
    for size in CHUNKS:
        if size not in states:
            states[size] = _merge(states.pop(size // 2), 2)
        found.append(_observe(states[size], slots, weight))
    rows_max, hits_max, active_max, active = np.array(found).T
    return ChunkMeans(rows_max, hits_max, active_max, active, mean, spread, reached, tokens)


Counts = NDArray[np.int16]
State = tuple[Counts, Counts, NDArray[np.bool_]]
"""Rows and hits `[cells, chunks]`, active slots `[slots, chunks]`."""


def _sparse_means(slot: Ints, slots: Slots, layer: Ints, layers: int, weight: Floats) -> ChunkMeans:
    """The same for very many cells."""
    cells = slots.cells
    found, reach = observe(slot, slots.per_cell, cells, CHUNKS)
    visited = np.bincount(reach // cells, minlength=len(slot)).reshape(len(layer), BLOCK).astype(float)
    mean = float(weight @ visited.mean(axis=1))
    spread = float(weight @ ((visited - mean) ** 2).mean(axis=1))
    own = np.repeat(layer, BLOCK)[reach // cells]
    reached = np.bincount(own * cells + reach % cells, minlength=layers * cells).reshape(layers, cells).astype(float)
    tokens = BLOCK * np.bincount(layer, minlength=layers).astype(float)
    rows_max, hits_max, active_max, active = (
        np.array([float(weight @ values.reshape(len(weight), -1).mean(axis=1)) for values in column])
        for column in zip(*found, strict=True)
    )
    return ChunkMeans(rows_max, hits_max, active_max, active / cells, mean, spread, reached, tokens)


def _slots(pool: Pool, slots: Slots, layer: Ints, seed: int) -> Ints:
    """The slots that tokens reach, `[tokens, top_k]`."""
    slot = np.empty(pool.chosen.shape, np.int64)
    key = expert_keys(generator(seed, POOL, 1), (len(layer), slots.experts))
    for row in sorted(set(layer.tolist())):
        mine = np.flatnonzero(layer == row)
        chosen = pool.chosen[mine]
        mine_key = key[mine[:, None, None], chosen]
        slot[mine] = slots_of(chosen, slots, int(row), np.arange(BLOCK)[:, None], mine_key)
    return slot.reshape(len(layer) * BLOCK, -1)


def _per_token(pool: Pool, slots: Slots, layer: Ints, seed: int) -> State:
    """Rows and hits `[cells, tokens]` and active slots `[slots, tokens]` of single tokens."""
    tokens, cells = len(layer) * BLOCK, slots.cells
    column = np.arange(tokens)[:, None]
    flat = _slots(pool, slots, layer, seed)
    counts = np.bincount((flat // slots.per_cell * tokens + column).ravel(), minlength=cells * tokens)
    rows: Counts = counts.reshape(cells, tokens).astype(np.int16)
    active: NDArray[np.bool_] = np.zeros((slots.expert.shape[1], tokens), dtype=bool)
    active[flat, column] = True
    return rows, np.minimum(rows, np.int16(1)), active


def _merge(state: State, parts: int) -> State:
    """Chunks of `parts` neighbours each."""
    rows, hits, active = state[0][:, 0::parts], state[1][:, 0::parts], state[2][:, 0::parts]
    for i in range(1, parts):
        rows = rows + state[0][:, i::parts]
        hits = hits + state[1][:, i::parts]
        active = active | state[2][:, i::parts]
    return rows, hits, active


def _observe(state: State, slots: Slots, weight: Floats) -> tuple[float, float, float, float]:
    """Means over chunks of the maxima of rows, hits and active slots, and of the active slots of a cell."""
    rows, hits, active = state
    chunks = rows.shape[1]
    per_cell = active.reshape(slots.cells, slots.per_cell, chunks).sum(axis=1, dtype=np.int16)

    def mean(values: Counts) -> float:
        return float(weight @ values.reshape(len(weight), -1).mean(axis=1, dtype=np.float64))

    busiest = [mean(array.max(axis=0)) for array in (rows, hits, per_cell)]
    return busiest[0], busiest[1], busiest[2], mean(per_cell.sum(axis=0, dtype=np.int16)) / slots.cells


def _block_weights(layer: Ints) -> Floats:
    """Weights `[blocks]` that sum to 1 and give every layer the same."""
    blocks = np.bincount(layer)
    weight: Floats = 1.0 / (blocks[layer] * (blocks > 0).sum())
    return weight
