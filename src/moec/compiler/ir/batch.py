"""What one iteration runs: requests with their new tokens and contexts, and the sums that costs depend on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Array


@dataclass(frozen=True, slots=True, eq=False)
class RankBatch:
    """The requests of one attention-DP rank: `new` tokens to compute after `context` tokens already in the cache."""

    new: NDArray[np.int64]
    context: NDArray[np.int64]


NOTHING: Array = np.zeros(1)
NOTHING.setflags(write=False)

Batch = tuple[RankBatch, ...]
"""One entry per attention-DP rank; an empty entry is an idle rank."""


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """The sums of a batch that its cost depends on, per attention-DP rank: every field broadcasts to `[…, dp]`.

    A request with one new token is a decode; one with more is a prompt chunk. `*_window` fields are the same sums with
    every query's keys limited to the sliding window (equal to the plain ones without a window).
    """

    chunks: Array
    chunk_tokens: Array
    pairs: Array
    chunk_kv: Array
    decodes: Array
    decode_kv: Array
    decode_max: Array
    pairs_window: Array
    chunk_kv_window: Array
    decode_kv_window: Array
    continued: Array = field(default_factory=lambda: np.zeros(1))
    """Chunks that are the first part of a prompt split over two micro-batches: the second part makes the logits."""
    padding: Array = field(default_factory=lambda: np.zeros(1))
    """Tokens without a request that fill the batch up to the size of a CUDA graph: all but attention and head runs them."""
    swapped_out: Array = field(default_factory=lambda: NOTHING)
    """Token slots of the KV blocks that go to host memory before the iteration's first attention."""
    swapped_in: Array = field(default_factory=lambda: NOTHING)
    """Token slots of the KV blocks that come back by then."""
    swapped_out_window: Array = field(default_factory=lambda: NOTHING)
    """`swapped_out` in the layers that keep only the sliding window of a request."""
    swapped_in_window: Array = field(default_factory=lambda: NOTHING)
    """`swapped_in` in those layers."""

    @property
    def swaps(self) -> bool:
        """Whether any KV block moves."""
        return bool(self.swapped_out.any() or self.swapped_in.any())

    @property
    def tokens(self) -> Array:
        """New tokens, padding included."""
        return self.chunk_tokens + self.decodes + self.padding

    @property
    def sequences(self) -> Array:
        """Requests, each of which needs a row of logits."""
        return self.chunks + self.decodes - self.continued

    def map(self, change: Callable[[Array], Array]) -> Load:
        """The load with `change(array)` for every field."""
        return replace(self, **{f.name: change(getattr(self, f.name)) for f in fields(self)})


def windowed_pairs(new: Array, context: Array, window: int) -> Array:
    """Query–key pairs of a causal chunk when each query sees at most `window` keys, itself included."""
    full = np.clip(context + new - window, 0, new)
    ramp = new - full
    pairs: Array = full * window + ramp * np.minimum(context, window) + ramp * (ramp + 1) / 2
    return pairs


def load_of(batch: Batch, window: int | None = None) -> Load:
    """The sums of `batch`, each field `[dp]`."""
    rows = [_rank_sums(rank, window) for rank in batch]
    return Load(*(np.array(column, dtype=float) for column in zip(*rows, strict=True)))


def _rank_sums(rank: RankBatch, window: int | None) -> tuple[float, ...]:
    new, context = rank.new.astype(float), rank.context.astype(float)
    chunk, kv = new > 1, context + new
    reach = kv if window is None else np.minimum(kv, window)
    chunk_reach = kv if window is None else np.minimum(kv, window + new - 1)
    pairs = new * context + new * (new + 1) / 2
    pairs_window = pairs if window is None else windowed_pairs(new, context, window)
    one = new == 1
    return (
        chunk.sum(), new[chunk].sum(), pairs[chunk].sum(), kv[chunk].sum(),
        one.sum(), kv[one].sum(), kv[one].max(initial=0.0),
        pairs_window[chunk].sum(), chunk_reach[chunk].sum(), reach[one].sum(),
    )  # fmt: skip


def halves(load: Load) -> tuple[Load, Load]:
    """The load as two micro-batches of nearly equal tokens; a prompt may be split (as DeepSeek's two-batch overlap does).

    Odd decode tokens go to the first half, odd prompt tokens to the second; padding makes the halves even. Sums are split in proportion; a chunk that
    is split counts in both. KV blocks move in equal halves: each micro-batch waits for its own.
    """
    decodes, tokens = np.ceil(load.decodes / 2), np.floor(load.chunk_tokens / 2)
    first, second = _share(load, decodes, tokens), _share(load, load.decodes - decodes, load.chunk_tokens - tokens)
    fill = np.clip(np.ceil(load.tokens / 2) - first.tokens, 0, load.padding)
    continued = first.chunks + second.chunks - load.chunks
    return replace(first, continued=continued, padding=fill), replace(second, padding=load.padding - fill)


def _share(load: Load, decodes: Array, tokens: Array) -> Load:
    d = decodes / np.maximum(load.decodes, 1)
    t = tokens / np.maximum(load.chunk_tokens, 1)
    return Load(
        chunks=np.minimum(np.ceil(load.chunks / 2), tokens),
        chunk_tokens=tokens,
        pairs=load.pairs * t,
        chunk_kv=load.chunk_kv * t,
        decodes=decodes,
        decode_kv=load.decode_kv * d,
        decode_max=load.decode_max * (decodes > 0),
        pairs_window=load.pairs_window * t,
        chunk_kv_window=load.chunk_kv_window * t,
        decode_kv_window=load.decode_kv_window * d,
        swapped_out=load.swapped_out / 2,
        swapped_in=load.swapped_in / 2,
        swapped_out_window=load.swapped_out_window / 2,
        swapped_in_window=load.swapped_in_window / 2,
    )
