"""One draw of every layer's routing: `drawn` mode."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Ints
from moec.compiler.placement.slots import Slots
from moec.compiler.routing.math.cells import counts_of, expert_keys, slots_of
from moec.compiler.routing.math.race import Gate, draw
from moec.compiler.routing.math.seeds import DRAWS, generator
from moec.compiler.routing.outcome import Drawn

MANY_TOKENS = 1 << 17
"""Tokens, over all layers, from which threads are worth starting."""


def draw_layers(
    gate: Gate,
    weights: NDArray[np.float64],
    slots: Slots,
    tokens_per_source: Ints,
    key: tuple[int, int],
    nodes: int = 0,
) -> Drawn:
    """Sample every layer for the given tokens of each source `[sources]`; `key` is (seed, iteration).

    `weights` `[layers, experts]`; `nodes` that hold equally many cells, 0 when nobody asks for them. Layers have independent streams, so a layer's draw does not depend on the others.
    """
    seed, iteration = key
    tokens, sources = int(tokens_per_source.sum()), len(tokens_per_source)
    source = np.repeat(np.arange(sources), tokens_per_source)
    layers, cells = len(weights), slots.cells
    counts = np.zeros((layers, gate.experts), dtype=np.int64)
    per_slot = np.zeros((layers, slots.expert.shape[1]), dtype=np.int64)
    hits = np.zeros((layers, sources, cells), dtype=np.int64)
    visits = np.zeros((layers, sources, cells), dtype=np.int64)
    node_hits = np.zeros((layers, sources, nodes), dtype=np.int64)

    def sample(layer: int) -> None:
        rng = generator(seed, DRAWS, iteration, layer)
        keys = expert_keys(rng, (gate.experts,))
        chosen = draw(gate, weights[layer], tokens, rng)
        slot = slots_of(chosen, slots, layer, np.arange(tokens)[:, None], keys[chosen])
        per_slot[layer], hits[layer], visits[layer], node_hits[layer] = counts_of(slot, slots, source, sources, nodes)
        np.add.at(counts[layer], slots.expert[layer], per_slot[layer])

    if layers * tokens < MANY_TOKENS:
        for layer in range(layers):
            sample(layer)
    else:  # layers have their own streams and rows, so they may be drawn side by side
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
            list(threads.map(sample, range(layers)))
    by_cell = per_slot.reshape(layers, cells, slots.per_cell)
    return Drawn(counts, by_cell.sum(axis=2), (by_cell > 0).sum(axis=2), hits, visits, node_hits)
