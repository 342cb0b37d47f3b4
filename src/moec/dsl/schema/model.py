"""What a language model is made of, as far as its cost and its bytes go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from moec.dsl.schema.fields import Tokens, spec

Dtype = Literal["fp32", "tf32", "bf16", "fp16", "fp8", "int8", "fp4", "mxfp4", "int4"]

DTYPE_BYTES: dict[Dtype, float] = {
    "fp32": 4.0,
    "tf32": 4.0,
    "bf16": 2.0,
    "fp16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "fp4": 0.5,
    # OCP Microscaling Formats v1.0: 32 elements of 4 bits share one 8-bit scale, 4.25 bits an element.
    "mxfp4": 17 / 32,
    "int4": 0.5,
}


MOST_SPLIT = 65_536
"""Heads or experts: far above any model, and few enough to be counted one by one."""


@dataclass(frozen=True, slots=True)
class Gqa:
    """Grouped-query attention (multi-head when `kv_heads = heads`)."""

    heads: int = spec("query heads", at_least=1, at_most=MOST_SPLIT)
    kv_heads: int = spec("key/value heads; divides `heads`", at_least=1, at_most=MOST_SPLIT)
    head_dim: int = spec("width of one head", at_least=1)
    window: Tokens | None = spec("sliding window; none means full attention", None, at_least=1)
    full_every: int = spec("with a window: every n-th layer attends fully (0: none does)", 0, at_least=0)
    bias: bool = spec("biases on the q, k, v and output projections", False)
    qk_norm: bool = spec("q and k are normalised", False)
    qk_norm_over: Literal["head", "heads"] = spec(
        "with `qk_norm`: each head alone, or all heads at once (tensor-parallel ranks then sum the squares)", "head"
    )
    sinks: bool = spec("a learned sink logit per head", False)


@dataclass(frozen=True, slots=True)
class Mla:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1)."""

    heads: int = spec("query heads", at_least=1, at_most=MOST_SPLIT)
    kv_rank: int = spec("width of the latent that is cached", at_least=1)
    nope_dim: int = spec("per-head width without rotary position", at_least=1)
    rope_dim: int = spec("rotary width, shared by all heads in the cache", at_least=1)
    v_dim: int = spec("per-head value width", at_least=1)
    q_rank: int = spec("width of the query's low-rank projection (0: none)", 0, at_least=0)


@dataclass(frozen=True, slots=True)
class Ffn:
    """The dense feed-forward network."""

    intermediate: int = spec("inner width", at_least=1)
    gated: bool = spec("three matrices (gate, up, down) rather than two", True)


@dataclass(frozen=True, slots=True)
class Moe:
    """The mixture of experts that replaces the dense network in most layers."""

    experts: int = spec("routed experts", at_least=2, at_most=MOST_SPLIT)
    top_k: int = spec("experts per token", at_least=1)
    intermediate: int = spec("inner width of a routed expert", at_least=1)
    gated: bool = spec("three matrices per expert rather than two", True)
    bias: bool = spec("biases on the router and the experts", False)
    shared: int = spec("experts that every token visits", 0, at_least=0, at_most=MOST_SPLIT)
    shared_intermediate: int | None = spec(
        "inner width of one shared expert; that of a routed one when absent", None, at_least=1
    )
    shared_gate: bool = spec("a sigmoid gate scales the shared expert", False)
    first_dense: int = spec("leading layers that are dense", 0, at_least=0)
    every: int = spec("every n-th layer is a mixture, the last of each n (1: all)", 1, at_least=1)
    groups: int = spec("expert groups for group-limited routing", 1, at_least=1)
    group_limit: int | None = spec("groups a token may choose from; all when absent", None, at_least=1)


@dataclass(frozen=True, slots=True)
class ModelDtypes:
    """What the numbers are stored in; `experts` defaults to `weights`."""

    weights: Dtype = spec("weights", "bf16")
    activations: Dtype = spec("activations between layers", "bf16")
    kv_cache: Dtype = spec("cached keys and values (or latents)", "bf16")
    experts: Dtype | None = spec("routed expert weights; as `weights` when absent", None)


@dataclass(frozen=True, slots=True)
class Model:
    """A decoder-only transformer."""

    layers: int = spec("transformer layers", at_least=1, at_most=10_000)
    hidden: int = spec("width of the residual stream", at_least=1)
    vocab: int = spec("vocabulary", at_least=1)
    attention: Gqa | Mla = spec("`gqa { … }` or `mla { … }`")
    ffn: Ffn | None = spec("the dense network of layers that are not a mixture", None)
    moe: Moe | None = spec("the mixture of experts", None)
    dtype: ModelDtypes = spec("data types", factory=ModelDtypes)
    tied_embeddings: bool = spec("the head shares the embedding's weights", False)
    learned_positions: int = spec("rows of a learned position table (0: rotary)", 0, at_least=0)
    published_total: float | None = spec(
        "published total parameters; warned of when the dimensions give 5 % more or less", None, above=0
    )
    published_active: float | None = spec("published active parameters; the same", None, above=0)
