"""The shapes of GPU work: how many floating-point operations and bytes of memory traffic each one is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.arrays import Array
from moec.dsl.schema import DTYPE_BYTES, Dtype


@dataclass(frozen=True, slots=True, eq=False)
class Gemm:
    """`batch` products of [m, k] by [k, n]; `m` counts tokens and may be an array. No rows, no work."""

    m: Array
    n: int
    k: int
    weights: Dtype
    activations: Dtype
    batch: int = 1

    @property
    def flops(self) -> Array:
        """2·m·n·k·batch."""
        return 2.0 * self.m * self.n * self.k * self.batch

    @property
    def bytes(self) -> Array:
        """Weights once, inputs once, outputs once."""
        act = DTYPE_BYTES[self.activations] * self.m * (self.k + self.n)
        return self.batch * (act + DTYPE_BYTES[self.weights] * self.n * self.k * (self.m > 0))


@dataclass(frozen=True, slots=True, eq=False)
class ExpertFfn:
    """The grouped feed-forward of the experts on one rank.

    `rows` token–expert pairs arrive and touch `active` distinct experts (both may be arrays, expected values may be
    fractions); `intermediate` is the width held by this rank.
    """

    rows: Array
    active: Array
    hidden: int
    intermediate: int
    gated: bool
    weights: Dtype
    activations: Dtype

    @property
    def parameters(self) -> int:
        """Of one expert on this rank."""
        return (3 if self.gated else 2) * self.hidden * self.intermediate

    @property
    def flops(self) -> Array:
        """2·rows·parameters."""
        return 2.0 * self.rows * self.parameters

    @property
    def bytes(self) -> Array:
        """The active experts' weights once; rows in, inner activations out and in, rows out."""
        inner = self.intermediate * (3 if self.gated else 2)
        return (
            self.active * self.parameters * DTYPE_BYTES[self.weights]
            + self.rows * (2 * self.hidden + inner) * DTYPE_BYTES[self.activations]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Attention:
    """Scaled dot-product attention of one rank over a paged cache, for prompt chunks and for single decode tokens.

    Prompt chunks: `chunks` of them with `chunk_tokens` new tokens in all, `pairs` query–key pairs (causal: a chunk of
    c tokens after x cached ones has c·x + c(c+1)/2) and `chunk_kv` cached or new positions read. Decode: `decodes`
    sequences whose contexts, the new token included, sum to `decode_kv`; the longest is `decode_max`. `heads`,
    `kv_heads`: on this rank. `latent`: keys and values are one cached vector of `qk_dim` (absorbed MLA).
    """

    chunks: Array
    chunk_tokens: Array
    pairs: Array
    chunk_kv: Array
    decodes: Array
    decode_kv: Array
    decode_max: Array
    heads: int
    kv_heads: int
    qk_dim: int
    v_dim: int
    kv_cache: Dtype
    activations: Dtype
    latent: bool = False

    @property
    def prefill_flops(self) -> Array:
        """Scores and weighted sum of the chunks: 2·pairs·heads·(qk_dim + v_dim)."""
        return 2.0 * self.pairs * self.heads * (self.qk_dim + self.v_dim)

    @property
    def decode_flops(self) -> Array:
        """Scores and weighted sum of the decode tokens."""
        return 2.0 * self.decode_kv * self.heads * (self.qk_dim + self.v_dim)

    @property
    def flops(self) -> Array:
        """Of chunks and decode tokens together."""
        return self.prefill_flops + self.decode_flops

    @property
    def kv_bytes_per_token(self) -> float:
        """Cache bytes read per position on this rank."""
        width = self.qk_dim if self.latent else self.qk_dim + self.v_dim
        return self.kv_heads * width * DTYPE_BYTES[self.kv_cache]

    @property
    def prefill_bytes(self) -> Array:
        """Keys and values once per chunk, queries in, outputs out."""
        return self.chunk_kv * self.kv_bytes_per_token + self.chunk_tokens * self._io

    @property
    def decode_bytes(self) -> Array:
        """Every cached position once, queries in, outputs out."""
        return self.decode_kv * self.kv_bytes_per_token + self.decodes * self._io

    @property
    def bytes(self) -> Array:
        """Of chunks and decode tokens together."""
        return self.prefill_bytes + self.decode_bytes

    @property
    def _io(self) -> float:
        return self.heads * (self.qk_dim + self.v_dim) * DTYPE_BYTES[self.activations]


@dataclass(frozen=True, slots=True, eq=False)
class Elementwise:
    """Memory-bound work (norms, activations, rotary, gathers): `traffic` bytes read and written, no counted flops.

    `rows`: the tokens or sequences that it passes over, where that is what measurements are taken at.
    """

    traffic: Array
    rows: Array | None = None

    @property
    def flops(self) -> Array:
        """None counted."""
        return np.zeros_like(np.asarray(self.traffic, dtype=float))

    @property
    def bytes(self) -> Array:
        """The traffic."""
        return np.asarray(self.traffic, dtype=float)


Kernel = Gemm | ExpertFfn | Attention | Elementwise
