"""Times of iterations for the serving loop: the program evaluated in part, once, and completed per iteration."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from moec.backends.base import StepTimes, Timing
from moec.backends.fast.chain import parts_of, run_chain
from moec.backends.fast.network import TwoTier
from moec.backends.fast.pricing import ExpectedTable, Pricing
from moec.backends.fast.schedule import evaluate
from moec.compiler.batch import Load
from moec.compiler.graph import Graph
from moec.compiler.kernels import Array
from moec.compiler.lower.instantiate import lanes_of, lower, skeleton
from moec.compiler.lower.program import Program, Situation


class FastSteps:
    """Expected routing, from tables: equal to evaluating the whole graph to the nanosecond (a test holds it so)."""

    def __init__(self, program: Program, net: TwoTier) -> None:
        context = program.context
        self._program = program
        pricing = Pricing(context, net, context.layout.groups())
        self._routing = ExpectedTable(context.law.expected) if context.law else None
        if program.chained:
            self._parts = parts_of(program, pricing)
        else:
            self._prices = [[(t.lane, pricing.of(b, (t,))) for t in b.templates] for b in program.blocks]
            self._skeleton: Graph | None = None

    def times(self, load: Load) -> StepTimes:
        """Device time of each iteration; the load's fields broadcast to `[steps, dp]`."""
        lanes = [self._situation(part) for part in lanes_of(self._program, load)]
        latency, done = run_chain(self._parts, lanes[0]) if self._program.chained else self._overlapped(lanes)
        steps = np.broadcast_shapes(*(np.shape(f)[:-1] for f in (load.decodes, load.decode_kv, load.chunk_tokens)))
        stages = np.diff(np.stack([np.broadcast_to(d, steps) for d in done], axis=-1), axis=-1, prepend=0)
        return StepTimes(np.broadcast_to(latency, steps), stages)

    def _situation(self, load: Load) -> Situation:
        totals = self._program.context.total(load.tokens)
        return Situation(load, totals, expected=self._routing.at(totals) if self._routing else None)

    def _overlapped(self, lanes: list[Situation]) -> tuple[Array, list[Array]]:
        if self._skeleton is None:
            self._skeleton = skeleton(self._program, lanes)
        times = [[price(lanes[lane])[..., None, :] for lane, price in block] for block in self._prices]
        clock = evaluate(self._skeleton, times, detail=False)
        ends = np.maximum.reduce(clock.lanes)
        dp = self._program.context.layout.dp
        done = ends.reshape(*ends.shape[:-1], -1, dp).max(axis=-1)
        return done[..., -1], [done[..., i] for i in range(done.shape[-1])]


class DrawnSteps:
    """A fresh draw of every layer for every iteration: exact and slow."""

    def __init__(self, program: Program, run: Callable[..., Timing]) -> None:
        self._program, self._run, self._iteration = program, run, 0

    def times(self, load: Load) -> StepTimes:
        """Device time of each iteration; the load's fields broadcast to `[steps, dp]`."""
        dp = self._program.context.layout.dp
        shape = np.broadcast_shapes(*(np.shape(f) for f in (load.decodes, load.decode_kv, load.chunk_tokens)), (1, dp))
        wide = load.map(lambda x: np.broadcast_to(x, shape))
        done = [self._one(wide.map(lambda x, i=i: x[i])) for i in range(shape[0])]
        stages = np.diff(np.stack(done), axis=-1, prepend=0)
        return StepTimes(np.stack(done)[:, -1], stages)

    def _one(self, load: Load) -> Array:
        timing = self._run(lower(self._program, load, "drawn", self._iteration), detail=False)
        self._iteration += 1
        return timing.finish_ns.reshape(self._program.context.layout.pp, -1).max(axis=-1)
