"""How an instance's ranks are numbered and grouped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moec.dsl.schema import Experiment, Parallelism


@dataclass(frozen=True, slots=True)
class Layout:
    """Degrees of one instance; `ep` and `expert_tp` are 1 and `stage` for a model without experts.

    Inside a pipeline stage, rank = dp_rank · tp + tp_rank; stages follow each other. Experts use the same ranks:
    rank = ep_rank · expert_tp + expert_tp_rank.
    """

    tp: int
    dp: int
    pp: int
    ep: int
    expert_tp: int

    @property
    def stage(self) -> int:
        """Ranks of one pipeline stage."""
        return self.tp * self.dp

    @property
    def world(self) -> int:
        """Ranks of the instance."""
        return self.stage * self.pp

    def groups(self) -> dict[str, NDArray[np.int64]]:
        """Partitions of a stage's ranks by name, each `[subsets, size]`, ascending."""
        ranks = np.arange(self.stage, dtype=np.int64)
        by_dp = ranks.reshape(self.dp, self.tp)
        return {"tp": by_dp, "dp": by_dp.T.copy(), "stage": ranks.reshape(1, -1)}


def layout_of(experiment: Experiment) -> Layout:
    """The layout that the plan asks for; the plan has been checked (see `compiler.plan`)."""
    return layout_of_plan(experiment.parallelism, moe=experiment.model.moe is not None)


def layout_of_plan(plan: Parallelism, *, moe: bool) -> Layout:
    """Degrees with defaults filled in: ep = stage ÷ experts.tp, or 1 when every expert is sliced."""
    stage = plan.attention.tp * plan.attention.dp
    if not moe:
        return Layout(plan.attention.tp, plan.attention.dp, plan.pp, 1, stage)
    if plan.experts.shard == "tensor":
        return Layout(plan.attention.tp, plan.attention.dp, plan.pp, 1, stage)
    expert_tp = plan.experts.tp
    return Layout(plan.attention.tp, plan.attention.dp, plan.pp, plan.experts.ep or stage // expert_tp, expert_tp)


def relay_nodes(experiment: Experiment) -> int:
    """Nodes that a two-phase exchange of a pipeline stage spans; 1 where exchanges are direct or stay in a node."""
    exchange, per_node = experiment.parallelism.exchange, experiment.cluster.node.devices
    if exchange.method != "alltoall" or exchange.route != "two_phase" or experiment.model.moe is None:
        return 1
    return max(1, layout_of(experiment).stage // per_node)


def stage_layers(layers: int, pp: int) -> tuple[int, ...]:
    """Layers of each pipeline stage: even, what is left over goes one each to the stages before the last, from the back.

    vLLM's rule (`get_pp_indices`): the last stage also has the head.
    """
    sizes = [layers // pp] * pp
    for i in range(layers % pp):
        sizes[-2 - i] += 1
    return tuple(sizes)
