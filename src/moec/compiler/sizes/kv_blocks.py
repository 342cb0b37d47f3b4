"""What KV blocks weigh when they move to host memory, and how many of them fit there."""

from __future__ import annotations

from moec.compiler.sizes.footprint import stage_memories
from moec.compiler.sizes.layout import layout_of
from moec.dsl.schema import Experiment


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
