"""What one rank's memory holds: weights by kind, activations, the runtime, and how many KV blocks that leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from moec.compiler.sizes.activations import activation_bytes
from moec.compiler.sizes.layout import Layout, layout_of, stage_layers
from moec.compiler.sizes.parameters import (
    KINDS,
    Kind,
    ParameterCounts,
    attends_fully,
    attention_parameters_per_rank,
    expert_parameters,
    heads_per_rank,
    is_moe_layer,
    layer_parameters,
    weight_dtype,
)
from moec.dsl.schema import DTYPE_BYTES, Experiment, Gqa, Mla, Model


@dataclass(frozen=True, slots=True)
class StageMemory:
    """One rank of a pipeline stage (its ranks are alike, the fullest is meant), in bytes.

    `weights` by kind; `unpacked` is what the engine keeps of them a second time in the activations' type.
    `kv_per_token` counts all the stage's layers, `kv_growth` those whose cache grows with every token, `window_reserve`
    what the sliding-window layers take when every sequence slot is in use.
    """

    layers: int
    weights: Mapping[Kind, int]
    unpacked: int
    kv_per_token: float
    kv_growth: float
    window_reserve: int

    @property
    def weights_bytes(self) -> int:
        """All weights of the rank."""
        return sum(self.weights.values()) + self.unpacked


@dataclass(frozen=True, slots=True)
class MemoryReport:
    """Where one rank's memory goes, in bytes; unqualified figures are those of the stage with the fewest KV blocks.

    `kv_blocks` is per attention-DP rank, as given in the specification or computed; computed, it is 0 or less when
    nothing is left (then `shortfall` says how much is missing for the first block).
    """

    device: int
    budget: int
    activations: int
    runtime: int
    block: int
    stages: tuple[StageMemory, ...]
    tightest: int
    kv_blocks: int
    given: bool

    @property
    def stage(self) -> StageMemory:
        """The stage with the fewest KV blocks."""
        return self.stages[self.tightest]

    @property
    def weights(self) -> Mapping[Kind, int]:
        """Weights per rank by kind."""
        return self.stage.weights

    @property
    def weights_bytes(self) -> int:
        """Weights per rank."""
        return self.stage.weights_bytes

    @property
    def kv_bytes_per_token(self) -> float:
        """Cache bytes of one token in all layers of the rank (a sliding window keeps only its last tokens)."""
        return self.stage.kv_per_token

    @property
    def block_bytes(self) -> float:
        """Bytes of one KV block on the rank."""
        return self.block * self.stage.kv_growth

    @property
    def kv_tokens(self) -> int:
        """Tokens that the cache of one attention-DP rank holds."""
        return max(0, self.kv_blocks) * self.block

    @property
    def free(self) -> int:
        """What the budget leaves for KV blocks; negative when the weights alone are too much."""
        return self.budget - self.weights_bytes - self.activations - self.runtime - self.stage.window_reserve

    @property
    def shortfall(self) -> int:
        """Bytes missing: for the first KV block, or for the blocks asked for to fit beside the weights; 0 when it fits."""
        if self.given:
            return max(0, math.ceil(self.weights_bytes + self.kv_blocks * self.block_bytes) - self.device)
        return max(0, math.ceil(self.block_bytes) - self.free)


def memory_of(experiment: Experiment) -> MemoryReport:
    """The memory of one rank under the plan; the plan's divisibilities have been checked (see `compiler.plan`)."""
    layout, cache = layout_of(experiment), experiment.serving.kv_cache
    device = experiment.cluster.node.device.memory
    stages = stage_memories(experiment)
    activations, budget = activation_bytes(experiment, layout), int(device * cache.memory)
    taken = activations + round(cache.runtime)
    blocks = [_blocks(budget - taken, stage, cache.block) for stage in stages]
    tightest = min(range(len(stages)), key=lambda i: (blocks[i], -stages[i].weights_bytes))
    return MemoryReport(
        device=int(device),
        budget=budget,
        activations=activations,
        runtime=round(cache.runtime),
        block=cache.block,
        stages=stages,
        tightest=tightest,
        kv_blocks=blocks[tightest] if cache.blocks is None else cache.blocks,
        given=cache.blocks is not None,
    )


def _blocks(room: int, stage: StageMemory, block: int) -> int:
    return math.floor((room - stage.weights_bytes - stage.window_reserve) / (block * stage.kv_growth))


def kv_bytes_per_token_and_layer(model: Model, tp: int) -> float:
    """Cache bytes of one token in one layer on one of `tp` ranks.

    Key and value heads are split, and repeated when there are more ranks than heads; every rank holds the whole latent.
    """
    width = DTYPE_BYTES[model.dtype.kv_cache]
    match model.attention:
        case Gqa() as a:
            _, kv_heads, dim = heads_per_rank(a, tp)
            return 2 * kv_heads * dim * width
        case Mla() as a:
            return (a.kv_rank + a.rope_dim) * width
        case other:
            assert_never(other)


def stage_memories(experiment: Experiment) -> tuple[StageMemory, ...]:
    """The memory of one rank of every pipeline stage."""
    layout = layout_of(experiment)
    sizes = stage_layers(experiment.model.layers, layout.pp)
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(
        _stage(experiment, layout, range(start, start + size), first=i == 0, last=i == len(sizes) - 1)
        for i, (start, size) in enumerate(zip(starts, sizes, strict=True))
    )


def _stage(experiment: Experiment, layout: Layout, layers: range, *, first: bool, last: bool) -> StageMemory:
    model = experiment.model
    held = _held(experiment, layout, layers) | _ends(model, layout, first=first, last=last)
    held["norms"] += model.hidden if last else 0
    bytes_by_kind: dict[Kind, int] = {
        kind: math.ceil(held[kind] * DTYPE_BYTES[weight_dtype(model, kind)]) for kind in KINDS
    }
    per_layer = kv_bytes_per_token_and_layer(model, layout.tp)
    full = sum(attends_fully(model, i) for i in layers)
    growing = full or len(layers)
    reserve = _window_tokens(experiment) * (len(layers) - growing) * per_layer
    return StageMemory(
        layers=len(layers),
        weights=bytes_by_kind,
        unpacked=_unpacked(model, layout) * len(layers),
        kv_per_token=len(layers) * per_layer,
        kv_growth=growing * per_layer,
        window_reserve=math.ceil(reserve),
    )


def _held(experiment: Experiment, layout: Layout, layers: range) -> dict[Kind, float]:
    """Parameters in the layers of one rank, by kind."""
    model = experiment.model
    mixtures = sum(is_moe_layer(model, i) for i in layers)
    one = {is_moe_layer(model, i): i for i in layers}
    dense, mixture = (layer_parameters(model, one[k]) if k in one else ParameterCounts() for k in (False, True))
    return {
        "attention": len(layers) * attention_parameters_per_rank(model, layout.tp),
        "dense_ffn": (len(layers) - mixtures) * dense.dense_ffn / layout.tp,
        "routed_experts": mixtures * expert_slots(experiment, layout) * expert_parameters(model) / layout.expert_tp,
        "shared_experts": mixtures * mixture.shared_experts / layout.tp,
        "router": mixtures * mixture.router,
        "norms": len(layers) * max(dense.norms, mixture.norms),
    }


def expert_slots(experiment: Experiment, layout: Layout) -> int:
    """Expert slots per expert-parallel rank, replicas included; 0 for a model without experts."""
    moe = experiment.model.moe
    return 0 if moe is None else math.ceil((moe.experts + experiment.parallelism.experts.redundant) / layout.ep)


def _ends(model: Model, layout: Layout, *, first: bool, last: bool) -> dict[Kind, float]:
    """Embedding on the first stage and head on the last, split over the vocabulary; tied weights on one rank count once."""
    table = model.vocab * model.hidden / layout.tp
    positions = model.learned_positions * model.hidden
    shared = model.tied_embeddings and first
    return {"embedding": table + positions if first else 0.0, "head": table if last and not shared else 0.0}


def _unpacked(model: Model, layout: Layout) -> int:
    """Per layer: with weights narrower than 16 bits, vLLM keeps the latent's up-projections in the activations' type as
    well, to absorb them into queries and outputs (`MLAAttention.process_weights_after_loading`)."""
    match model.attention:
        case Mla() as a if DTYPE_BYTES[model.dtype.weights] < 2:
            up = a.kv_rank * a.heads * (a.nope_dim + a.v_dim) / layout.tp
            return math.ceil(up * DTYPE_BYTES[model.dtype.activations])
        case _:
            return 0


def _window_tokens(experiment: Experiment) -> int:
    """Tokens that a sliding-window layer holds when every sequence slot is in use.

    vLLM's hybrid KV cache manager (on unless `disable_hybrid_kv_cache_manager`) frees blocks that fell out of the window,
    keeps the rest of the block a window begins in, and needs room for one iteration's new tokens.
    """
    attention, scheduler = experiment.model.attention, experiment.serving.scheduler
    if not isinstance(attention, Gqa) or attention.window is None:
        return 0
    block = experiment.serving.kv_cache.block
    per_sequence = (math.ceil((attention.window - 1) / block) + 1) * block
    return scheduler.max_sequences * per_sequence + scheduler.max_batched_tokens
