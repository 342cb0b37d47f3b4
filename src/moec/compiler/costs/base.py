"""What a cost model is: from a kernel's shape and a device to a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from moec.compiler.kernels import Array, Kernel
from moec.dsl.schema import Device

BOUNDS = ("compute", "memory", "latency")
"""What limits a kernel: arithmetic, memory traffic, or a fixed floor (launch, synchronisation)."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Time in nanoseconds (float, the broadcast shape of the kernel's counts; 0 where there is no work).

    `bound` indexes BOUNDS, same shape. `source` is the evidence level: `measured`, `interpolated`, `extrapolated` or
    `modelled`.
    """

    time_ns: Array
    bound: Array
    source: str


class CostModel(Protocol):
    """Registered under the entry-point group `moec.cost_models`. Knows shapes and devices, never model names."""

    def estimate(self, kernel: Kernel, device: Device) -> Estimate:
        """The time of `kernel` on `device`."""
        ...
