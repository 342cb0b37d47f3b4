"""A cost model of another package, its answers looked at: a wrong one is a diagnostic that names the package."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.compiler.costs.base import CostModel
from moec.compiler.ir.estimate import LEVELS, MIXED, Estimate
from moec.compiler.ir.kernels import Kernel
from moec.dsl.schema import Device
from moec.registry import COST_MODELS, guarded, wrong


@dataclass(frozen=True, slots=True)
class CheckedCosts:
    """`model`, the plug-in called `name`, asked for finite times of at least 0 and a known source."""

    model: CostModel
    name: str

    def estimate(self, kernel: Kernel, device: Device, role: str = "") -> Estimate:
        """The model's estimate; Refused when it is none."""
        found = guarded(COST_MODELS, self.name, self.model.estimate)(kernel, device, role)
        if not isinstance(found, Estimate):
            raise wrong(COST_MODELS, self.name, f"gave {type(found).__name__} as the estimate of `{role}`")
        times = np.asarray(found.time_ns)
        if times.dtype.kind not in "iuf" or not np.all(np.isfinite(times)) or np.any(times < 0):
            raise wrong(COST_MODELS, self.name, f"gave a time for `{role}` that is no finite number of nanoseconds")
        if found.source not in (*LEVELS, MIXED):
            raise wrong(COST_MODELS, self.name, f"gave `{found.source}` as the source of `{role}`, not one of {LEVELS}")
        return found
