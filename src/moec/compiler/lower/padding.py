"""Which batches run padded to the size of a captured CUDA graph, as vLLM 0.19 does it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from moec.arrays import Array
from moec.compiler.ir.batch import Load
from moec.compiler.lower.context import Context
from moec.dsl.schema import Serving

MOST_CAPTURED = 512
"""The largest graph is this or twice the running requests (`_set_cudagraph_sizes` in vLLM's `config/vllm.py`)."""


def largest_graph(serving: Serving) -> int:
    """Tokens of the largest captured graph; 0 when nothing is captured."""
    overhead, scheduler = serving.overhead, serving.scheduler
    if overhead.execution == "eager":
        return 0
    given = overhead.largest_graph
    wanted = min(2 * scheduler.max_sequences, MOST_CAPTURED) if given is None else given
    return min(wanted, scheduler.max_batched_tokens)


@cache
def captured(largest: int) -> Array:
    """The captured sizes, ascending: 1, 2, 4, every 8 below 256, then every 16, none above `largest` (same source)."""
    sizes = [1, 2, 4, *range(8, min(largest + 1, 256), 8), *range(256, largest + 1, 16)]
    return np.array([size for size in sizes if size <= largest], dtype=np.int64)


@cache
def filling(largest: int) -> Array:
    """Tokens that fill a batch of 0, 1, 2 … tokens up to the next captured size; the last entry is for all beyond it: 0."""
    sizes = captured(largest)
    own = np.arange(1, sizes[-1] + 1)
    return np.array([0, *(sizes[np.searchsorted(sizes, own)] - own), 0], dtype=float)


def pad(c: Context, load: Load) -> Load:
    """`load` with the tokens that fill its batches up.

    A batch within the largest graph takes the next captured size (`CudagraphDispatcher`). Ranks that share experts all
    take the size of the largest of them, or, when one is beyond the largest graph, run without graphs at the sizes they
    have so far (`coordinate_batch_across_dp`).
    """
    largest = largest_graph(c.experiment.serving)
    if not largest:
        return load
    table, own = filling(largest), load.tokens
    fill = table[np.minimum(own, len(table) - 1).astype(np.int64)]
    if c.model.moe is not None and c.layout.dp > 1:
        size, fits = own + fill, (own < len(table) - 1).all(axis=-1, keepdims=True)
        fill = np.where(fits, size.max(axis=-1, keepdims=True) - own, fill)
    return replace(load, padding=fill)
