"""The KV cache of an attention-DP rank: its blocks, what they weigh when they move to host memory, and how many fit there."""

from __future__ import annotations

from dataclasses import dataclass

from moec.compiler.sizes.footprint import stage_memories
from moec.compiler.sizes.layout import layout_of
from moec.dsl.schema import Experiment


@dataclass(frozen=True, slots=True, kw_only=True)
class KvCacheSizes:
    """The KV cache of one attention-DP rank: `blocks` on the device, and `host_blocks` in host memory.

    Of the latter there are none when preempted requests are recomputed, and None means room for all. `widths`: bytes of one
    token over all ranks that hold it, in the layers that keep every token and in those that keep a sliding window.
    """

    blocks: int
    host_blocks: int | None
    widths: tuple[float, float]


def kv_cache_sizes(experiment: Experiment, blocks: int) -> KvCacheSizes:
    """The cache of a rank whose device holds `blocks`."""
    swaps = experiment.serving.kv_cache.preemption == "swap"
    return KvCacheSizes(
        blocks=blocks, host_blocks=host_blocks(experiment) if swaps else 0, widths=kv_widths_in_all(experiment)
    )


def kv_widths(experiment: Experiment) -> tuple[tuple[float, float], ...]:
    """Per pipeline stage, cache bytes of one token on one of its ranks: in the layers that keep every token, and in those
    that keep a sliding window.
    """
    stages = stage_memories(experiment)
    return tuple((stage.kv_growth, stage.kv_per_token - stage.kv_growth) for stage in stages)


def kv_widths_in_all(experiment: Experiment) -> tuple[float, float]:
    """The same over all ranks, of all stages, that hold one attention-DP rank's cache."""
    growing, windowed = (sum(column) for column in zip(*kv_widths(experiment), strict=True))
    tp = layout_of(experiment).tp
    return tp * growing, tp * windowed


def host_blocks(experiment: Experiment) -> int | None:
    """KV blocks of an attention-DP rank that fit in host memory; None when the node's host is not given.

    Every device has an equal share of its node's host memory, as in vLLM V0 (`swap_space`: bytes per GPU). A block takes
    room in all layers; the stage with the widest blocks decides.
    """
    node = experiment.cluster.node
    if node.host is None:
        return None
    widest = max(growing + windowed for growing, windowed in kv_widths(experiment))
    return int(node.host.memory / node.devices // (experiment.serving.kv_cache.block * widest))
