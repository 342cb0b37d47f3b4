"""What stays the same for every iteration of an experiment: model, layout, device, costs and routing law."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.base import CostModel
from moec.compiler.ir.graph import LONGEST_NS, Compute
from moec.compiler.ir.kernels import Elementwise, ExpertFfn, Kernel
from moec.compiler.routing.outcome import Law
from moec.compiler.sizes.layout import Layout, layout_of
from moec.dsl.schema import DTYPE_BYTES, Device, Dtype, Experiment, Model

FP8_TILE = 128
"""Elements that share one fp32 scale when activations travel in fp8 (DeepSeek-V3, arXiv 2412.19437, section 3.3.2)."""

EXPERT_KERNELS = 4
"""Kernels of one grouped expert network: align, first product, activation, second product (vLLM's fused_experts)."""


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """An experiment, ready to lower. `copies`: ranks written out per attention-DP rank (tp, or 1 when folded)."""

    experiment: Experiment
    layout: Layout
    costs: CostModel
    law: Law | None
    copies: int

    @property
    def model(self) -> Model:
        """What is served."""
        return self.experiment.model

    @property
    def device(self) -> Device:
        """The accelerator of every rank."""
        return self.experiment.cluster.node.device

    def spread(self, per_dp: Array) -> Array:
        """`[…, dp]` to `[…, 1, ranks]`, or `[…, 1]` to `[…, 1, 1]` when all attention-DP ranks are alike."""
        array = np.asarray(per_dp, dtype=float)[..., None, :]
        return array if array.shape[-1] == 1 or self.copies == 1 else np.repeat(array, self.copies, axis=-1)

    def total(self, per_dp: Array) -> Array:
        """The sum over attention-DP ranks, `[…]`."""
        array = np.asarray(per_dp, dtype=float)
        return array[..., 0] * self.layout.dp if array.shape[-1] == 1 else array.sum(axis=-1)

    def compute(self, kernel: Kernel, role: str, *, straggler: Kernel | None = None, replicas: int = 1) -> Compute:
        """`kernel` with its time in whole nanoseconds, at least 1 wherever there is work, at most `LONGEST_NS`; `role` is the op's name."""
        estimate = self.costs.estimate(straggler or kernel, self.device, role)
        time = np.asarray(estimate.time_ns, dtype=float)
        if self.experiment.serving.overhead.execution == "eager":
            launches = EXPERT_KERNELS if isinstance(kernel, ExpertFfn) else 1
            time = np.where(time > 0, np.maximum(time, launches * self.device.launch * 1e9), 0.0)
        whole = np.where(time > 0, np.clip(np.rint(time), 1, LONGEST_NS), 0).astype(np.int64)
        return Compute(kernel, replace(estimate, time_ns=whole), straggler, replicas)

    def elementwise(self, per_dp: Array, width: float, role: str, *, replicas: int = 1) -> Compute:
        """A pass over `per_dp` `[…, dp]` tokens or sequences that moves `width` bytes for each."""
        rows = self.spread(per_dp)
        return self.compute(Elementwise(rows * width, rows), role, replicas=replicas)


def context_of(experiment: Experiment, costs: CostModel, law: Law | None, *, folded: bool = False) -> Context:
    """The context of a checked experiment; `folded` writes one rank per attention-DP rank (tensor ranks are alike)."""
    layout = layout_of(experiment)
    return Context(experiment, layout, costs, law, 1 if folded else layout.tp)


def wire_bytes(hidden: int, dtype: Dtype) -> float:
    """Bytes of one token's hidden state on the wire, the scales of fp8 included."""
    return hidden * DTYPE_BYTES[dtype] + (hidden / FP8_TILE * DTYPE_BYTES["fp32"] if dtype == "fp8" else 0.0)
