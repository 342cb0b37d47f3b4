"""What a cost model is: from a kernel's shape and a device to a time."""

from __future__ import annotations

from typing import Protocol

from moec.compiler.ir.estimate import Estimate
from moec.compiler.ir.kernels import Kernel
from moec.dsl.schema import Device


class CostModel(Protocol):
    """Registered under the entry-point group `moec.cost_models`. Knows shapes and devices, never model names."""

    def estimate(self, kernel: Kernel, device: Device, role: str = "") -> Estimate:
        """The time of `kernel` on `device`.

        `role` is what the op computes, by its name in the graph (`qkv_proj`, `ffn_norm`, `experts`, …; docs/profiles.md
        lists them). A model that needs shapes only ignores it.
        """
        ...
