"""An estimate from a measured time: what bounds the kernel is read off the device's peaks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.rates import rate_of
from moec.compiler.ir.estimate import BOUNDS, MIXED, Estimate, Evidence
from moec.compiler.ir.kernels import ExpertFfn, Gemm, Kernel
from moec.dsl.schema import Device


def measured(kernel: Kernel, device: Device, time: Array, grade: Callable[[], Evidence]) -> Estimate:
    """Bound by the larger of arithmetic and traffic at the device's peaks, or by neither if both are under half the time."""
    memory = kernel.bytes / device.bandwidth * 1e9
    weights = kernel.weights if isinstance(kernel, Gemm | ExpertFfn) else "bf16"
    activations = kernel.activations if isinstance(kernel, Gemm | ExpertFfn) else "bf16"
    compute = kernel.flops / rate_of(device, weights, activations).flops
    larger = np.where(compute > memory, BOUNDS.index("compute"), BOUNDS.index("memory"))
    bound = np.where(np.maximum(compute, memory) < time / 2, BOUNDS.index("latency"), larger)
    return Estimate(time, bound, MIXED, grade)
