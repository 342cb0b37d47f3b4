"""Expert-parallel load balancing as DeepSeek published it (github.com/deepseek-ai/EPLB), hierarchical or global."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Ints
from moec.compiler.placement.packing import Weights, arrange, pack, per_copy, replicate
from moec.compiler.sizes.layout import layout_of
from moec.diagnostics import Diagnostic
from moec.dsl.schema import Eplb, Experiment


def place(experiment: Experiment, load: NDArray[np.float64]) -> tuple[Ints | None, list[Diagnostic]]:
    """Hierarchical when the expert groups can be dealt out whole to the nodes and the mode allows it, else global."""
    chosen, moe = experiment.parallelism.experts.placement, experiment.model.moe
    assert isinstance(chosen, Eplb) and moe is not None
    layout = layout_of(experiment)
    nodes = -(-layout.stage // experiment.cluster.node.devices)
    why_not = _obstacle(moe.experts, moe.groups, nodes, layout.ep)
    if chosen.mode == "hierarchical" and why_not:
        span = experiment.span("parallelism.experts.placement")
        fix = "`mode = auto` falls back to the global policy"
        return None, [Diagnostic("M341", "eplb cannot be hierarchical here", span, why_not, help=fix)]
    slots = moe.experts + experiment.parallelism.experts.redundant
    groups, nodes = (1, 1) if why_not or chosen.mode == "global" else (moe.groups, nodes)
    return rebalance(load, slots, groups, nodes, layout.ep), []


def _obstacle(experts: int, groups: int, nodes: int, ep: int) -> str:
    """Why expert groups cannot stay whole inside nodes, or nothing."""
    if groups % nodes:
        return f"{groups} expert group{'s' * (groups > 1)} cannot be dealt out evenly to {nodes} nodes"
    if experts % groups:
        return f"{experts} experts cannot be split into {groups} equal groups"
    if ep % nodes:
        return f"{ep} expert-parallel ranks cannot be split evenly over {nodes} nodes"
    return ""


def rebalance(load: NDArray[np.float64], slots: int, groups: int, nodes: int, gpus: int) -> Ints:
    """The expert in each slot, `[layers, slots]`, for `load` `[layers, experts]`; slots are equally many per GPU.

    Hierarchical when `groups` is a multiple of `nodes`: groups are packed onto nodes, experts replicated inside their
    node, replicas packed onto its GPUs. Otherwise the same with one group on one node. Single precision, stable order
    and lowest index on ties, as published.
    """
    if groups % nodes:
        groups = nodes = 1
    weight = load.astype(np.float32)
    layers, experts = weight.shape
    size, per_node = experts // groups, experts // nodes
    by_group = weight.reshape(layers, groups, size)
    node, place_in_node = _deal(by_group.sum(axis=2), nodes)
    first = np.arange(groups) * np.ones((layers, 1), dtype=np.int64)
    group = arrange(first, node, place_in_node, nodes)
    expert = (group[:, :, None] * size + np.arange(size)).reshape(layers, experts)

    inside = np.take_along_axis(weight, expert, axis=1).reshape(layers * nodes, per_node)
    copy = replicate(inside, slots // nodes)
    gpu, place_on_gpu = _deal(per_copy(inside, copy), gpus // nodes)
    local = arrange(copy, gpu, place_on_gpu, gpus // nodes)
    return np.take_along_axis(expert.reshape(layers * nodes, per_node), local, axis=1).reshape(layers, slots)


def _deal(weight: Weights, packs: int) -> tuple[Ints, Ints]:
    """`pack`, but as published: one item per pack needs no balancing, and the items stay in order."""
    if weight.shape[1] == packs:
        in_order = np.broadcast_to(np.arange(packs), weight.shape)
        return in_order, np.zeros_like(in_order)
    return pack(weight, packs)
