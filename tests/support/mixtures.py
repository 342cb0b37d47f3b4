"""Experiments for routing tests: any mixture, plan and popularity, nothing else of interest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from moec.dsl.schema import (
    AttentionPlan,
    Cluster,
    Compute,
    Device,
    Experiment,
    ExpertPlan,
    Gqa,
    Linear,
    Model,
    Moe,
    Node,
    Parallelism,
    Placement,
    Routing,
    Uniform,
)


def mixture(
    experts: int = 8,
    top_k: int = 2,
    ep: int = 1,
    *,
    layers: int = 4,
    popularity: Any = None,
    per_layer: Any = "same",
    placement: Placement | None = None,
    redundant: int = 0,
    groups: int = 1,
    group_limit: int | None = None,
    first_dense: int = 0,
    every: int = 1,
    seed: int = 0,
    directory: str = ".",
    devices: int = 8,
) -> Experiment:
    """`ep` data-parallel ranks on nodes of `devices`, each an expert cell."""
    moe = Moe(experts, top_k, 64, groups=groups, group_limit=group_limit, first_dense=first_dense, every=every)
    device = Device(8e10, 3e12, Compute(1e15))
    plan = ExpertPlan(redundant=redundant, placement=placement or Linear())
    return Experiment(
        Model(layers, 128, 1000, Gqa(4, 4, 32), moe=moe),
        Cluster(max(1, ep // devices), Node(device, devices)),
        parallelism=Parallelism(AttentionPlan(1, ep), plan),
        routing=Routing(popularity or Uniform(), per_layer),
        seed=seed,
        directory=directory,
    )


def write_trace(path: Path, layers: Sequence[int], experts: int) -> None:
    """A routing trace with its own uneven popularity in every layer."""
    rng = np.random.default_rng(11)
    lines = ["layer_id,expert_id,count"]
    for layer in layers:
        counts = rng.multinomial(200_000, rng.dirichlet(np.full(experts, 0.8)))
        lines += [f"{layer},{expert},{count}" for expert, count in enumerate(counts)]
    path.write_text("\n".join(lines) + "\n")
