"""Lowering of KV swaps: blocks of preempted requests go to host memory, those of resumed ones come back."""

from __future__ import annotations

from moec.compiler.ir.graph import Transfer
from moec.compiler.lower.context import Context
from moec.compiler.lower.lane import Lane
from moec.compiler.lower.program import Situation
from moec.compiler.sizes.kv_blocks import kv_widths


def swap(lane: Lane, c: Context, stage: int) -> None:
    """Stores, then loads, on the memory stream; what the lane computes next waits for both.

    vLLM V0 moves blocks before it runs the model (`Worker.execute_worker`): freed blocks may be written at once.
    """
    growing, windowed = kv_widths(c.experiment)[stage]
    span = c.experiment.span("serving.kv_cache.preemption")

    def store(s: Situation) -> Transfer:
        size = s.load.swapped_out * growing + s.load.swapped_out_window * windowed
        return Transfer("store", "host", c.spread(size))

    def load(s: Situation) -> Transfer:
        size = s.load.swapped_in * growing + s.load.swapped_in_window * windowed
        return Transfer("load", "host", c.spread(size))

    lane.add("kv_store", store, "swaps", stream="memory", span=span)
    lane.add("kv_load", load, "swaps", stream="memory", span=span)
