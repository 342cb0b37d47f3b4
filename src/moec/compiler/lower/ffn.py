"""Lowering of the dense feed-forward network, of the shared expert and of the ends of the model."""

from __future__ import annotations

import numpy as np

from moec.compiler.ir.graph import Collective, Work
from moec.compiler.lower.attention import linear, norm, tp_all_reduce
from moec.compiler.lower.context import Context
from moec.compiler.lower.lane import Lane
from moec.compiler.lower.program import Situation
from moec.diagnostics import Span
from moec.dsl.schema import DTYPE_BYTES, Ffn

SAMPLING_PASSES = 3
"""Logits are cast to fp32, reduced for the softmax and scanned for the sample."""


def dense(lane: Lane, c: Context, ffn: Ffn) -> None:
    """Norm, dense network and its reduction."""
    span = c.experiment.span("model.ffn")
    lane.add("ffn_norm", lambda s: norm(c, s, "ffn_norm"), "tokens", span=span)
    mlp(lane, c, ffn.intermediate, ffn.gated, prefix="", span=span)
    if c.layout.tp > 1:
        lane.add("ffn_all_reduce", lambda s: tp_all_reduce(c, s), "tokens", stream="comm", span=span)


def mlp(
    lane: Lane, c: Context, intermediate: int, gated: bool, *, prefix: str, span: Span | None,
    after: tuple[int, ...] | None = None,
) -> int:  # fmt: skip
    """The two products and the activation between them, `intermediate` split over tp; returns the last op."""
    width, act = intermediate // c.layout.tp, DTYPE_BYTES[c.model.dtype.activations]
    up, moved = (2 if gated else 1) * width, (3 if gated else 2) * width * act
    names = (prefix + ("gate_up_proj" if gated else "up_proj"), prefix + "act", prefix + "down_proj")
    first, between, last = names
    lane.add(first, lambda s: linear(c, s.load.tokens, up, c.model.hidden, first), "tokens", after=after, span=span)
    lane.add(between, lambda s: c.elementwise(s.load.tokens, moved, between), "tokens", span=span)
    return lane.add(last, lambda s: linear(c, s.load.tokens, c.model.hidden, width, last), "tokens", span=span)


def embed(lane: Lane, c: Context) -> None:
    """The lookup, split over the vocabulary and summed when tensor-parallel."""
    span = c.experiment.span("model.vocab")
    width = 2 * c.model.hidden * DTYPE_BYTES[c.model.dtype.activations]
    lane.add(
        "embedding",
        lambda s: c.elementwise(s.load.tokens, width, "embedding", replicas=c.layout.tp),
        "tokens",
        span=span,
    )
    if c.layout.tp > 1:
        lane.add("embedding_all_reduce", lambda s: tp_all_reduce(c, s), "tokens", stream="comm", span=span)


def head(lane: Lane, c: Context) -> None:
    """Final norm, logits of every sequence's last token, their gathering and the sampling."""
    span, vocab = c.experiment.span("model.vocab"), c.model.vocab
    lane.add("final_norm", lambda s: norm(c, s, "final_norm"), "tokens", span=span)
    split = -(-vocab // c.layout.tp)
    lane.add(
        "lm_head",
        lambda s: linear(c, s.load.sequences, split, c.model.hidden, "lm_head", kind="head"),
        "sequences",
        span=span,
    )
    if c.layout.tp > 1:
        lane.add("logits_all_gather", lambda s: _logits(c, s), "sequences", stream="comm", span=span)
    moved = SAMPLING_PASSES * vocab * DTYPE_BYTES["fp32"]
    lane.add(
        "sample",
        lambda s: c.elementwise(s.load.sequences, moved, "sample", replicas=c.layout.tp),
        "sequences",
        span=span,
    )


def _logits(c: Context, s: Situation) -> Work:
    width = c.model.vocab * DTYPE_BYTES[c.model.dtype.activations]
    return Collective("all_gather", "tp", np.asarray(s.load.sequences, dtype=float)[..., None, :] * width)
