"""How long the simulator takes a node to last, as far as the trace and the system file say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moec.compiler.chakra.trace import COMP, Trace


def node_ns(trace: Trace, system: Mapping[str, Any] | None) -> NDArray[np.int64]:
    """Nanoseconds of every node, at least 1; of communication the recorded time, which the simulator does not use.

    With `roofline-enabled`, kernels take operations ÷ min(peak, bandwidth × operations ÷ bytes), else their duration
    (Workload.cc upstream). Without a system file: the duration, or failing that `num_ops` as nanoseconds where
    `tensor_size` is 1, which is how moec writes times that are exact to the nanosecond.
    """
    operations, size = trace.integers("num_ops"), trace.integers("tensor_size")
    kernels = (trace.kind == COMP) & ~trace.on_cpu
    if system is None:
        exact = kernels & (trace.duration_ns == 0) & (size == 1)
        return np.maximum(np.where(exact, operations, trace.duration_ns), 1)
    peak, bandwidth = _number(system, "peak-perf") * 1e12, _number(system, "local-mem-bw") * 1e9
    if not system.get("roofline-enabled") or not peak or not bandwidth:
        return np.maximum(trace.duration_ns, 1)
    seconds = np.maximum(operations / peak, size / bandwidth)
    computed = np.where(operations > 0, np.floor(seconds * 1e9), 0).astype(np.int64)
    return np.maximum(np.where(kernels, computed, trace.duration_ns), 1)


def _number(system: Mapping[str, Any], key: str) -> float:
    value = system.get(key, 0)
    return float(value) if isinstance(value, (int, float)) else 0.0
