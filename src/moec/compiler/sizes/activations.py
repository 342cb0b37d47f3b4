"""How much memory the live tensors of one forward pass need at their peak, on one rank."""

from __future__ import annotations

from typing import assert_never

from moec.compiler.sizes.layout import Layout
from moec.compiler.sizes.parameters import heads_per_rank
from moec.dsl.schema import DTYPE_BYTES, Experiment, Gqa, Mla, Model, Moe

MLA_WORKSPACE_TOKENS = 64 * 1024
"""Cached positions whose keys and values latent attention expands at a time during prefill: vLLM's
`determine_chunked_prefill_workspace_size`, which reaches its ceiling at a model length of 8,192 tokens."""

LOGIT_COPIES = 3
"""fp32 tensors of the sampler besides the logits: the cast logits, the probabilities and the exponential noise that picks
the sample (vLLM V1, `Sampler` and `random_sample`)."""


def activation_bytes(experiment: Experiment, layout: Layout) -> int:
    """Peak bytes of live activations in vLLM's profile run, on one rank.

    The profile run computes `max_batched_tokens` tokens and samples `max_sequences` rows. The residual stream and the
    hidden state live all the time; on top comes the hungriest of attention, dense network, mixture, and the sampler, one of
    which runs at a time. Freed tensors are reused, so layers do not add up.
    """
    model, scheduler = experiment.model, experiment.serving.scheduler
    tokens = scheduler.max_batched_tokens
    stream = 2 * tokens * model.hidden * _width(model)
    parts = (
        _attention(model, layout, tokens),
        _dense(model, layout, tokens),
        _mixture(experiment, layout, tokens),
        _sampler(model, min(scheduler.max_sequences, tokens)),
    )
    return round(stream + max(parts))


def _width(model: Model) -> float:
    return DTYPE_BYTES[model.dtype.activations]


def _attention(model: Model, layout: Layout, tokens: int) -> float:
    """q, k and v, the heads' output and the projected output; latent attention also expands a workspace of the cache."""
    match model.attention:
        case Gqa() as a:
            own, kv, width = heads_per_rank(a, layout.tp)
            return tokens * (2 * (own + kv) * width + model.hidden) * _width(model)
        case Mla() as a:
            heads = a.heads / layout.tp
            query, expanded = heads * (a.nope_dim + a.rope_dim), heads * (a.nope_dim + a.v_dim)
            latent = a.q_rank + a.kv_rank + a.rope_dim
            per_token = query + expanded + heads * a.v_dim + latent + model.hidden
            workspace = MLA_WORKSPACE_TOKENS * (expanded + a.kv_rank + a.rope_dim)
            return (tokens * per_token + workspace) * _width(model)
        case other:
            assert_never(other)


def _dense(model: Model, layout: Layout, tokens: int) -> float:
    if model.ffn is None:
        return 0.0
    return tokens * _network(model, model.ffn.intermediate / layout.tp, gated=model.ffn.gated) * _width(model)


def _network(model: Model, intermediate: float, *, gated: bool) -> float:
    """Elements per token of one network: its first product, the activated product and the output."""
    return (3 if gated else 2) * intermediate + model.hidden


def _mixture(experiment: Experiment, layout: Layout, tokens: int) -> float:
    model, moe = experiment.model, experiment.model.moe
    if moe is None:
        return 0.0
    gathered, pairs = _arrivals(experiment, layout, moe, tokens)
    inner = moe.intermediate / layout.expert_tp
    # The first product and the experts' outputs share one buffer (vLLM's fused experts), the activated product has its own.
    buffers = max((2 if moe.gated else 1) * inner, model.hidden) + inner
    routed = (2 * gathered * model.hidden + pairs * buffers) * _width(model)
    scores = gathered * moe.experts * DTYPE_BYTES["fp32"]
    shared = moe.shared * (moe.shared_intermediate or moe.intermediate) / layout.tp
    beside = tokens * _network(model, shared, gated=moe.gated) * _width(model) if moe.shared else 0.0
    return routed + scores + beside


def _arrivals(experiment: Experiment, layout: Layout, moe: Moe, tokens: int) -> tuple[float, float]:
    """Tokens present on a rank during the experts, and token-expert pairs its buffers have room for.

    A gathered exchange brings all tokens to every rank, and its kernels size their buffers for all pairs. An all-to-all
    brings only what the rank's experts are asked for: with balanced routing its share of all pairs.
    """
    everywhere = tokens * layout.dp
    if experiment.parallelism.exchange.method != "alltoall" or layout.stage == 1:
        return everywhere, everywhere * moe.top_k
    pairs = everywhere * moe.top_k / layout.ep
    return min(everywhere, pairs), pairs


def _sampler(model: Model, sequences: int) -> float:
    return sequences * model.vocab * (_width(model) + LOGIT_COPIES * DTYPE_BYTES["fp32"])
