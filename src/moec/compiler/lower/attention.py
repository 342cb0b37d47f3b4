"""Lowering of attention: grouped-query with or without a window, and multi-head latent."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from moec.arrays import Array
from moec.compiler.ir.batch import Load
from moec.compiler.ir.graph import Collective, Work
from moec.compiler.ir.kernels import Attention, Gemm
from moec.compiler.lower.context import Context
from moec.compiler.lower.lane import Lane
from moec.compiler.lower.program import Situation
from moec.compiler.sizes.parameters import Kind, heads_per_rank, weight_dtype
from moec.dsl.schema import DTYPE_BYTES, Gqa, Mla

NORM_PASSES = 4
"""A fused residual-add and RMS norm reads the branch and the residual and writes the residual and the normed state."""


NONE = np.zeros((1, 1))


def attend(lane: Lane, context: Context, *, full: bool) -> None:
    """Norm, projections, attention and the output projection's reduction; `full` is false in sliding-window layers."""
    span = context.experiment.span("model.attention")
    lane.add("attn_norm", lambda s: norm(context, s, "attn_norm"), "tokens", span=span)
    match context.model.attention:
        case Gqa() as gqa:
            _gqa(lane, context, gqa, windowed=gqa.window is not None and not full)
        case Mla() as mla:
            _mla(lane, context, mla)
        case other:
            assert_never(other)
    if context.layout.tp > 1:
        lane.add("attn_all_reduce", lambda s: tp_all_reduce(context, s), "tokens", stream="comm", span=span)


def norm(context: Context, s: Situation, role: str) -> Work:
    """Residual add and norm over the rank's tokens."""
    width = context.model.hidden * DTYPE_BYTES[context.model.dtype.activations]
    return context.elementwise(s.load.tokens, NORM_PASSES * width, role, replicas=context.layout.tp)


def tp_all_reduce(context: Context, s: Situation) -> Work:
    """The sum of partial hidden states over the tensor-parallel ranks."""
    return _reduced(s, context.model.hidden * DTYPE_BYTES[context.model.dtype.activations])


def linear(
    context: Context,
    rows: Array,
    n: int,
    k: int,
    role: str,
    *,
    kind: Kind = "attention",
    batch: int = 1,
    replicas: int = 1,
    unpacked: bool = False,
) -> Work:
    """A product of `rows` `[…, dp]` tokens with a [k, n] weight of `kind`, or with its 16-bit copy if `unpacked`."""
    activations = context.model.dtype.activations
    weights = activations if unpacked else weight_dtype(context.model, kind)
    return context.compute(Gemm(context.spread(rows), n, k, weights, activations, batch), role, replicas=replicas)


def _gqa(lane: Lane, c: Context, a: Gqa, *, windowed: bool) -> None:
    span = c.experiment.span("model.attention")
    heads, kv_heads, dim = heads_per_rank(a, c.layout.tp)
    act = DTYPE_BYTES[c.model.dtype.activations]
    qkv = (heads + 2 * kv_heads) * dim
    # Rotary reads and writes q and k in place and the new keys and values go to the cache; with per-head norms q and k
    # pass through memory once more.
    moved = (2 * (heads + kv_heads) * (2 if a.qk_norm else 1) + 2 * 2 * kv_heads) * dim * act
    lane.add("qkv_proj", lambda s: linear(c, s.load.tokens, qkv, c.model.hidden, "qkv_proj"), "tokens", span=span)
    if a.qk_norm and a.qk_norm_over == "heads":
        _norm_over_heads(lane, c, (heads + kv_heads) * dim * act)
    lane.add("rope", lambda s: c.elementwise(s.load.tokens, moved, "rope"), "tokens", span=span)
    name = "window_attention" if windowed else "attention"
    lane.add(name, lambda s: c.compute(_gqa_kernel(c, a, s.load, windowed), name), "load", span=span)
    lane.add("o_proj", lambda s: linear(c, s.load.tokens, c.model.hidden, heads * dim, "o_proj"), "tokens", span=span)


def _norm_over_heads(lane: Lane, c: Context, width: float) -> None:
    """The squares of q and of k, `width` bytes a token, summed over the rank's heads, then over the ranks: two fp32 numbers a
    token. What the sums scale is scaled on the way through `rope` (vLLM 0.19, `MiniMaxText01RMSNormTP.forward_qk`).
    """
    span = c.experiment.span("model.attention.qk_norm_over")
    lane.add("qk_norm", lambda s: c.elementwise(s.load.tokens, width, "qk_norm"), "tokens", span=span)
    if c.layout.tp > 1:
        sums = 2 * DTYPE_BYTES["fp32"]
        lane.add("qk_norm_all_reduce", lambda s: _reduced(s, sums), "tokens", stream="comm", span=span)


def _reduced(s: Situation, width: float) -> Work:
    return Collective("all_reduce", "tp", np.asarray(s.load.tokens, dtype=float)[..., None, :] * width)


def _gqa_kernel(c: Context, a: Gqa, load: Load, windowed: bool) -> Attention:
    dtype, (heads, kv_heads, dim) = c.model.dtype, heads_per_rank(a, c.layout.tp)
    return Attention(
        chunks=c.spread(load.chunks),
        chunk_tokens=c.spread(load.chunk_tokens),
        pairs=c.spread(load.pairs_window if windowed else load.pairs),
        chunk_kv=c.spread(load.chunk_kv_window if windowed else load.chunk_kv),
        decodes=c.spread(load.decodes),
        decode_kv=c.spread(load.decode_kv_window if windowed else load.decode_kv),
        decode_max=c.spread(np.minimum(load.decode_max, a.window) if windowed and a.window else load.decode_max),
        heads=heads,
        kv_heads=kv_heads,
        qk_dim=dim,
        v_dim=dim,
        kv_cache=dtype.kv_cache,
        activations=dtype.activations,
    )


def _mla(lane: Lane, c: Context, a: Mla) -> None:
    """Chunks expand keys and values per head; decode tokens attend to the latent itself.

    The absorbed halves of kv_b are kept as 16-bit copies (vLLM's MLA backends unpack them after loading).
    """
    span = c.experiment.span("model.attention")
    heads, hidden, latent = a.heads // c.layout.tp, c.model.hidden, a.kv_rank + a.rope_dim
    act, cache = DTYPE_BYTES[c.model.dtype.activations], DTYPE_BYTES[c.model.dtype.kv_cache]
    moved = 2 * heads * a.rope_dim * act + (a.q_rank + latent) * 2 * act + latent * cache
    _mla_latents(lane, c, a)
    lane.add("rope", lambda s: c.elementwise(s.load.tokens, moved, "rope"), "tokens", span=span)
    expanded = heads * (a.nope_dim + a.v_dim)
    lane.add("kv_b_proj", lambda s: linear(c, s.load.chunk_kv, expanded, a.kv_rank, "kv_b_proj"), "chunks", span=span)
    lane.add(
        "prefill_attention",
        lambda s: c.compute(_mla_prefill(c, a, s.load, heads), "prefill_attention"),
        "chunks",
        span=span,
    )
    lane.add(
        "q_absorb",
        lambda s: linear(c, s.load.decodes, a.kv_rank, a.nope_dim, "q_absorb", batch=heads, unpacked=True),
        "decodes",
        span=span,
    )
    lane.add(
        "decode_attention", lambda s: c.compute(_mla_decode(c, a, s.load, heads), "decode_attention"), "load", span=span
    )
    lane.add(
        "v_absorb",
        lambda s: linear(c, s.load.decodes, a.v_dim, a.kv_rank, "v_absorb", batch=heads, unpacked=True),
        "decodes",
        span=span,
    )
    lane.add("o_proj", lambda s: linear(c, s.load.tokens, hidden, heads * a.v_dim, "o_proj"), "tokens", span=span)


def _mla_latents(lane: Lane, c: Context, a: Mla) -> None:
    """From hidden states to queries and to the latent that is cached."""
    span = c.experiment.span("model.attention")
    heads, tp, hidden = a.heads // c.layout.tp, c.layout.tp, c.model.hidden
    q_width, latent = a.nope_dim + a.rope_dim, a.kv_rank + a.rope_dim
    if a.q_rank:
        down = a.q_rank + latent
        lane.add(
            "qkv_a_proj",
            lambda s: linear(c, s.load.tokens, down, hidden, "qkv_a_proj", replicas=tp),
            "tokens",
            span=span,
        )
        lane.add(
            "q_b_proj", lambda s: linear(c, s.load.tokens, heads * q_width, a.q_rank, "q_b_proj"), "tokens", span=span
        )
    else:
        lane.add("q_proj", lambda s: linear(c, s.load.tokens, heads * q_width, hidden, "q_proj"), "tokens", span=span)
        lane.add(
            "kv_a_proj",
            lambda s: linear(c, s.load.tokens, latent, hidden, "kv_a_proj", replicas=tp),
            "tokens",
            span=span,
        )


def _mla_prefill(c: Context, a: Mla, load: Load, heads: int) -> Attention:
    act = c.model.dtype.activations  # the expanded keys and values are activations, not cache entries
    return Attention(
        chunks=c.spread(load.chunks),
        chunk_tokens=c.spread(load.chunk_tokens),
        pairs=c.spread(load.pairs),
        chunk_kv=c.spread(load.chunk_kv),
        decodes=NONE,
        decode_kv=NONE,
        decode_max=NONE,
        heads=heads,
        kv_heads=heads,
        qk_dim=a.nope_dim + a.rope_dim,
        v_dim=a.v_dim,
        kv_cache=act,
        activations=act,
    )


def _mla_decode(c: Context, a: Mla, load: Load, heads: int) -> Attention:
    return Attention(
        chunks=NONE,
        chunk_tokens=NONE,
        pairs=NONE,
        chunk_kv=NONE,
        decodes=c.spread(load.decodes),
        decode_kv=c.spread(load.decode_kv),
        decode_max=c.spread(load.decode_max),
        heads=heads,
        kv_heads=1,
        qk_dim=a.kv_rank + a.rope_dim,
        v_dim=a.kv_rank,
        kv_cache=c.model.dtype.kv_cache,
        activations=c.model.dtype.activations,
        latent=True,
    )
