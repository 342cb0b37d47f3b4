"""Times of iterations for the serving loop: the program evaluated in part, once, and completed per iteration."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter

import numpy as np

from moec.arrays import Array
from moec.backends.base import StepTimes, Timing
from moec.backends.fast.overlapped import fuse, run_fused, skeleton
from moec.backends.fast.pricing import ExpectedTable, Pricing
from moec.backends.fast.serial import run_serial, stages_of
from moec.backends.network.alpha_beta import Network
from moec.compiler.ir.batch import Load
from moec.compiler.ir.graph import Graph
from moec.compiler.lower.instantiate import lanes_of, lower
from moec.compiler.lower.program import Program, Situation, situation


class FastSteps:
    """Expected routing, from tables: equal to evaluating the whole graph to the nanosecond (a test holds it so)."""

    def __init__(self, program: Program, net: Network) -> None:
        context = program.context
        self._program = program
        pricing = Pricing(program, net, context.layout.groups())
        # only exchanges ask where tokens go, once the tables are made; the skeleton of an overlapped program asks too
        asked = not program.chained or any(t.couples for block in program.blocks for t in block.templates)
        self._routing = ExpectedTable(context.law.expected).routing if context.law and asked else None
        if program.chained:
            self._stages = stages_of(program, pricing)
        else:
            self._fused = fuse(program, pricing)
            self._skeleton: Graph | None = None

    def times(self, load: Load) -> StepTimes:
        """Device time of each iteration; the load's fields broadcast to `[steps, dp]`."""
        lanes = [situation(self._program, part, self._routing) for part in lanes_of(self._program, load)]
        done = run_serial(self._stages, lanes[0]) if self._program.chained else self._overlapped(lanes)
        steps = max(len(f) for f in (load.decodes, load.decode_kv, load.chunk_tokens))
        if len(done) == 1 and len(done[0]) == steps:
            return StepTimes(done[0], done[0][:, None])
        ends = np.empty((steps, len(done)), dtype=np.int64)
        for i, end in enumerate(done):
            ends[:, i] = end
        latency = ends[:, -1].copy()
        ends[:, 1:] -= ends[:, :-1].copy()
        return StepTimes(latency, ends)

    def _overlapped(self, lanes: list[Situation]) -> list[Array]:
        if self._skeleton is None:
            self._skeleton = skeleton(self._program, self._fused, lanes)
        interference = self._program.context.experiment.parallelism.interference
        return run_fused(self._skeleton, self._fused, lanes, interference)


class DrawnSteps:
    """A fresh draw of every layer for every iteration: exact and slow."""

    def __init__(self, program: Program, run: Callable[..., Timing]) -> None:
        self._program, self._run, self._iteration = program, run, 0

    def times(self, load: Load) -> StepTimes:
        """Device time of each iteration; the load's fields broadcast to `[steps, dp]`."""
        dp = self._program.context.layout.dp
        shape = np.broadcast_shapes(*(np.shape(f) for f in (load.decodes, load.decode_kv, load.chunk_tokens)), (1, dp))
        wide = load.map(lambda x: np.broadcast_to(x, shape))
        done = [self._one(row) for row in (wide.map(itemgetter(i)) for i in range(shape[0]))]
        stages = np.diff(np.stack(done), axis=-1, prepend=0)
        return StepTimes(np.stack(done)[:, -1], stages)

    def _one(self, load: Load) -> Array:
        timing = self._run(lower(self._program, load, "drawn", self._iteration), detail=False)
        self._iteration += 1
        ends: Array = timing.finish_ns.reshape(self._program.context.layout.pp, -1).max(axis=-1)
        return ends
