"""Who computes what: tensor, data, expert and pipeline parallelism, placement and exchange."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from moec import registry
from moec.dsl.schema.fields import spec
from moec.dsl.schema.model import Dtype
from moec.registry import PLACEMENTS


@dataclass(frozen=True, slots=True)
class Linear:
    """Consecutive experts on consecutive ranks."""


@dataclass(frozen=True, slots=True)
class RoundRobin:
    """Expert e on rank e mod ep."""


@dataclass(frozen=True, slots=True)
class Lpt:
    """Longest processing time first: the hottest expert to the least loaded rank with room."""


@dataclass(frozen=True, slots=True)
class Eplb:
    """DeepSeek's expert-parallel load balancer: replicate the hottest, then pack (hierarchical or global)."""

    makes_replicas: ClassVar[bool] = True

    mode: Literal["auto", "hierarchical", "global"] = spec("hierarchical keeps expert groups inside nodes", "auto")


@dataclass(frozen=True, slots=True)
class Explicit:
    """Slots from a CSV of `layer_id,slot,expert_id` (layer `*` or absent column: all layers)."""

    makes_replicas: ClassVar[bool] = True

    file: str = spec("path, relative to the .moe file")


Placement = Linear | RoundRobin | Lpt | Eplb | Explicit


@dataclass(frozen=True, slots=True)
class AttentionPlan:
    """How attention and the dense parts are split."""

    tp: int = spec("tensor-parallel ranks", 1, at_least=1)
    dp: int = spec("data-parallel ranks, each with its own requests and KV cache", 1, at_least=1)


@dataclass(frozen=True, slots=True)
class ExpertPlan:
    """How the routed experts are split; ep × tp = attention.tp × attention.dp."""

    ep: int | None = spec("expert-parallel ranks; attention.tp × attention.dp ÷ tp when absent", None, at_least=1)
    tp: int = spec("ranks that share each expert", 1, at_least=1)
    shard: Literal["whole", "tensor"] = spec("`tensor`: every rank holds a slice of every expert (ep = 1)", "whole")
    redundant: int = spec("extra expert slots for replicas", 0, at_least=0)
    placement: Placement = spec("which expert sits where", factory=Linear, open_to=PLACEMENTS)

    @property
    def replicates(self) -> bool:
        """Whether the placement fills redundant slots."""
        added = registry.named(type(self.placement))
        found = registry.find(*added) if added is not None else None
        return found.makes_replicas if found is not None else getattr(self.placement, "makes_replicas", False)


@dataclass(frozen=True, slots=True)
class Exchange:
    """How tokens reach their experts and come back."""

    method: Literal["alltoall", "allgather_reducescatter", "allreduce"] = spec("collective used", "alltoall")
    dispatch: Dtype | None = spec("what travels to the experts; the model's activations when absent", None)
    combine: Dtype | None = spec("what travels back; the model's activations when absent", None)
    deduplicate: bool = spec("a token travels once to a rank that holds several of its experts", True)
    route: Literal["direct", "two_phase"] = spec(
        "of an alltoall: straight to the rank, or first to the peer at the same place of its node, once per node if "
        "deduplicated, and on from there (DeepEP: its low-latency and its normal kernels)",
        "direct",
    )


@dataclass(frozen=True, slots=True)
class Parallelism:
    """The parallelism plan of one instance: pp × attention.tp × attention.dp ranks."""

    attention: AttentionPlan = spec("attention and dense layers", factory=AttentionPlan)
    experts: ExpertPlan = spec("routed experts", factory=ExpertPlan)
    pp: int = spec("pipeline stages", 1, at_least=1)
    exchange: Exchange = spec("dispatch and combine", factory=Exchange)
    overlap: Literal["none", "two_batch", "shared_expert"] = spec("what runs behind communication", "none")
    collectives: Literal["fastest", "flat", "hierarchical"] = spec(
        "all-reduces and gathers that span tiers: one ring, rings within rings, or whichever takes less time", "fastest"
    )
    interference: float = spec(
        "share of its speed that a kernel loses while its GPU communicates: none with DeepEP's low-latency kernels, 24 of "
        "132 SMs (0.18) with its normal ones",
        0.0,
        at_least=0,
        at_most=0.99,
    )
