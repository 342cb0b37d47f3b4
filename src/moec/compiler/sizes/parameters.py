"""How many parameters a model has, by kind of weight, in all and per token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

from moec.dsl.schema import DTYPE_BYTES, Dtype, Gqa, Mla, Model, Moe

Kind = Literal[
    "embedding", "head", "attention", "dense_ffn", "routed_experts", "shared_experts", "router", "norms"
]  # fmt: skip
KINDS: tuple[Kind, ...] = (
    "embedding", "head", "attention", "dense_ffn", "routed_experts", "shared_experts", "router", "norms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ParameterCounts:
    """Parameters by kind; `active_experts` is the part of `routed_experts` that one token passes through."""

    embedding: int = 0
    head: int = 0
    attention: int = 0
    dense_ffn: int = 0
    routed_experts: int = 0
    shared_experts: int = 0
    router: int = 0
    norms: int = 0
    active_experts: int = 0

    def __add__(self, other: ParameterCounts) -> ParameterCounts:
        return ParameterCounts(*(a + b for a, b in zip(self._counts(), other._counts(), strict=True)))

    def times(self, layers: int) -> ParameterCounts:
        """The counts of so many layers like this one."""
        return ParameterCounts(*(layers * count for count in self._counts()))

    @property
    def total(self) -> int:
        """All parameters, the embedding included; multi-token-prediction layers are not modelled."""
        return sum(self.of(kind) for kind in KINDS)

    @property
    def active(self) -> int:
        """Parameters of one token's path: top-k experts, everything else whole, the embedding table included."""
        return self.total - self.routed_experts + self.active_experts

    def _counts(self) -> tuple[int, ...]:
        return (*(self.of(kind) for kind in KINDS), self.active_experts)

    def of(self, kind: Kind) -> int:
        """The count of one kind."""
        count: int = getattr(self, kind)
        return count


def is_moe_layer(model: Model, layer: int) -> bool:
    """Whether layer `layer` (from 0) is a mixture: after the leading dense layers, the last of every n."""
    moe = model.moe
    return moe is not None and layer >= moe.first_dense and (layer + 1) % moe.every == 0


def attends_fully(model: Model, layer: int) -> bool:
    """Whether layer `layer` (from 0) attends to the whole context: no window, or the last of every `full_every`."""
    match model.attention:
        case Gqa(window=None) | Mla():
            return True
        case Gqa(full_every=every):
            return every > 0 and (layer + 1) % every == 0
        case other:
            assert_never(other)


def moe_layers(model: Model) -> int:
    """How many layers are mixtures."""
    return sum(is_moe_layer(model, layer) for layer in range(model.layers))


def parameters(model: Model) -> ParameterCounts:
    """Parameters of the whole model."""
    mixtures = moe_layers(model)
    dense = _dense_layer(model).times(model.layers - mixtures)
    return _outside_layers(model) + dense + _mixture_layer(model).times(mixtures)


def layer_parameters(model: Model, layer: int) -> ParameterCounts:
    """Parameters of layer `layer` (from 0)."""
    return _mixture_layer(model) if is_moe_layer(model, layer) else _dense_layer(model)


def weight_dtype(model: Model, kind: Kind) -> Dtype:
    """What weights of a kind are stored in.

    Routers and norms are kept in the activations' type, and so are the embedding and the head when the other weights are
    narrower than 16 bits: quantised checkpoints leave them alone (DeepSeek-V3 and gpt-oss, `quantization_config`).
    """
    dtype = model.dtype
    match kind:
        case "routed_experts":
            return dtype.experts or dtype.weights
        case "attention" | "dense_ffn" | "shared_experts":
            return dtype.weights
        case "embedding" | "head":
            return dtype.weights if DTYPE_BYTES[dtype.weights] >= 2 else dtype.activations
        case "router" | "norms":
            return dtype.activations
        case other:
            assert_never(other)


def ffn_parameters(hidden: int, intermediate: int, *, gated: bool, bias: bool = False) -> int:
    """Of one feed-forward network: gate, up and down, or up and down; biases on each."""
    inner = 2 if gated else 1
    return (inner + 1) * hidden * intermediate + (inner * intermediate + hidden if bias else 0)


def expert_parameters(model: Model) -> int:
    """Of one routed expert; 0 for a model without experts."""
    moe = model.moe
    return 0 if moe is None else ffn_parameters(model.hidden, moe.intermediate, gated=moe.gated, bias=moe.bias)


def _outside_layers(model: Model) -> ParameterCounts:
    table = model.vocab * model.hidden
    positions = model.learned_positions * model.hidden
    return ParameterCounts(embedding=table + positions, head=0 if model.tied_embeddings else table, norms=model.hidden)


def _dense_layer(model: Model) -> ParameterCounts:
    ffn = model.ffn
    count = 0 if ffn is None else ffn_parameters(model.hidden, ffn.intermediate, gated=ffn.gated)
    return _attention_layer(model) + ParameterCounts(dense_ffn=count)


def _mixture_layer(model: Model) -> ParameterCounts:
    moe = model.moe
    if moe is None:
        return _dense_layer(model)
    expert = expert_parameters(model)
    return _attention_layer(model) + ParameterCounts(
        routed_experts=moe.experts * expert,
        shared_experts=_shared(model.hidden, moe),
        router=(model.hidden + (1 if moe.bias else 0)) * moe.experts,
        active_experts=moe.top_k * expert,
    )


def _shared(hidden: int, moe: Moe) -> int:
    if moe.shared == 0:
        return 0
    one = ffn_parameters(hidden, moe.shared_intermediate or moe.intermediate, gated=moe.gated)
    return moe.shared * one + (hidden if moe.shared_gate else 0)


def _attention_layer(model: Model) -> ParameterCounts:
    """Attention and the two norms of a layer."""
    hidden = model.hidden
    match model.attention:
        case Gqa() as a:
            q, kv = a.heads * a.head_dim, a.kv_heads * a.head_dim
            biases = q + 2 * kv + hidden if a.bias else 0
            weights = 2 * hidden * (q + kv) + biases + (a.heads if a.sinks else 0)
            return ParameterCounts(attention=weights, norms=2 * hidden + _qk_norms(a))
        case Mla() as a:
            weights = _mla_replicated(hidden, a) + _mla_split(hidden, a)
            return ParameterCounts(attention=weights, norms=2 * hidden + a.q_rank + a.kv_rank)
        case other:
            assert_never(other)


def _qk_norms(a: Gqa) -> int:
    """Weights of the norms of q and k: one head's width each, or all heads'."""
    if not a.qk_norm:
        return 0
    return 2 * a.head_dim if a.qk_norm_over == "head" else (a.heads + a.kv_heads) * a.head_dim


def _mla_replicated(hidden: int, a: Mla) -> int:
    """The down-projections to the latents, which every tensor-parallel rank holds whole."""
    return hidden * (a.q_rank + a.kv_rank + a.rope_dim)


def _mla_split(hidden: int, a: Mla) -> int:
    """The per-head projections, which tensor parallelism splits."""
    query = (a.q_rank or hidden) * a.heads * (a.nope_dim + a.rope_dim)
    return query + a.heads * (a.kv_rank * (a.nope_dim + a.v_dim) + a.v_dim * hidden)


def cuts_heads(model: Model, tp: int) -> bool:
    """Whether `tp` ranks share the heads of multi-head attention by cutting through them: more ranks than heads."""
    a = model.attention
    return isinstance(a, Gqa) and a.kv_heads == a.heads < tp and a.heads * a.head_dim % tp == 0


def heads_per_rank(a: Gqa, tp: int) -> tuple[int, int, int]:
    """Query heads, key/value heads and head width on one of `tp` ranks.

    Key and value heads are repeated when there are more ranks than heads. With more ranks than query heads a rank has
    one piece of a head.
    """
    if tp > a.heads:
        return 1, 1, a.heads * a.head_dim // tp
    return a.heads // tp, max(1, a.kv_heads // tp), a.head_dim


def attention_parameters_per_rank(model: Model, tp: int) -> float:
    """Attention weights of one layer on one of `tp` ranks.

    Heads are split. Key and value heads are repeated when there are more ranks than heads; the down-projections of
    latent attention are repeated on every rank.
    """
    hidden = model.hidden
    match model.attention:
        case Gqa() as a:
            _, kv_heads, width = heads_per_rank(a, tp)
            q, kv = a.heads * a.head_dim / tp, kv_heads * width
            biases = q + 2 * kv + hidden if a.bias else 0
            return 2 * hidden * (q + kv) + biases + (a.heads / tp if a.sinks else 0)
        case Mla() as a:
            return _mla_replicated(hidden, a) + _mla_split(hidden, a) / tp
        case other:
            assert_never(other)
