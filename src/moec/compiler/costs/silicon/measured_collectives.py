"""Collectives inside one node, as they were measured: the engine's own all-reduce, NCCL for everything else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.silicon.grids import Line, never_less
from moec.compiler.costs.silicon.library import Library
from moec.compiler.costs.silicon.package import SHEETS
from moec.compiler.ir.estimate import EXTRAPOLATED, INTERPOLATED
from moec.dsl.schema import Experiment

Exchanged = Literal["all_reduce", "all_gather", "reduce_scatter", "alltoall"]

ELEMENT = 2
"""Bytes of an element; `message_size` counts elements of 16 bits, of the full buffer."""

OWN = {
    "vllm": ("kernel_source", "vLLM_custom_graph"),
    "sglang": ("kernel_source", "SGLang_CustomAllReduce_graph"),
    "trtllm": ("allreduce_dtype", "bfloat16"),
}
"""The rows of `custom_allreduce` that count: inside a CUDA graph. The others have 20 us of host time in them, which an engine
that is ahead of its GPU does not wait for.
"""


@dataclass(frozen=True, slots=True)
class Collectives:
    """The measured collectives of one device and engine."""

    library: Library

    def time(self, kind: Exchanged, size: int, buffer: Array) -> tuple[Array, Array] | None:
        """Nanoseconds and evidence of `buffer` bytes among `size` ranks; None when so many ranks were not measured.

        The full buffer: what all_reduce reduces, all_gather makes, reduce_scatter consumes, a rank of an even alltoall holds.
        """
        line = _line(self.library, kind, size)
        if line is None:
            return None
        beyond = np.maximum(buffer / line.points[-1], 1.0)
        level = np.where(buffer > line.points[-1], EXTRAPOLATED, line.level(buffer))
        level = np.where(buffer < line.points[0], INTERPOLATED, level)
        return line.at(buffer) * beyond, level


@cache
def _line(library: Library, kind: Exchanged, size: int) -> Line | None:
    own = None
    if kind == "all_reduce":
        own = library.rows("comm", "custom_allreduce", ("message_size",), OWN[library.engine], ("num_gpus", size))
    found = own or replace(library, engine="nccl").rows(
        "comm", "nccl", ("message_size",), ("nccl_dtype", "half"), ("op_name", kind), ("num_gpus", size)
    )
    return None if found is None else Line(found.keys[:, 0] * float(ELEMENT), never_less(found.time_ns))


def applies(experiment: Experiment) -> bool:
    """Whether the cluster's nodes are wired as the measured ones: behind a switch, each port of the data sheet's rate."""
    node = experiment.cluster.node
    sheet, link, fabric = SHEETS.get(node.device.silicon or ""), node.device.link, node.fabric
    if sheet is None or fabric.topology != "switch":
        return False
    bandwidth = fabric.bandwidth or (link.bandwidth if link else None)
    return bandwidth is not None and abs(bandwidth / sheet.link - 1) < 0.01
