"""Times of iterations for the serving loop from runs of the simulator, each graph once, and estimates between them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from moec.arrays import Array
from moec.backends.base import StepTimer, StepTimes, Tally, Timing
from moec.backends.whole_graphs import GraphSteps
from moec.compiler.ir.batch import Load
from moec.compiler.ir.graph import Graph
from moec.compiler.lower.program import Program


class AstraSteps:
    """Runs iterations 0, `every`, 2 · `every` …; what lies between takes the fast estimate times the last run's ratio.

    `estimated` counts the latter; `ratios` holds simulated ÷ fast for every run, when `every` > 1.
    """

    def __init__(
        self, program: Program, run_many: Callable[[list[Graph]], list[Timing]], fast: StepTimer, *, every: int
    ) -> None:
        self.graphs, self._fast, self._every = GraphSteps(program, run_many), fast, every
        self._iteration, self._ratio = 0, 1.0
        self.estimated = 0
        self.ratios: list[float] = []

    def times(self, load: Load) -> StepTimes:
        """Device time of each iteration; the load's fields broadcast to `[steps, dp]`."""
        rows = self.graphs.rows(load)
        first = self._iteration
        self._iteration += len(rows)
        chosen = [i for i in range(len(rows)) if (first + i) % self._every == 0]
        ends = self.graphs.stages([rows[i] for i in chosen], [first + i for i in chosen])
        if self._every > 1:
            return self._between(self._fast.times(load), len(rows), dict(zip(chosen, ends, strict=True)))
        return StepTimes(np.stack(ends).sum(axis=-1), np.stack(ends))

    def tally(self) -> Tally:
        """Of all iterations timed so far."""
        return Tally(self.graphs.evaluated, self.graphs.reused, self.estimated, tuple(self.ratios))

    def _between(self, fast: StepTimes, count: int, simulated: dict[int, Array]) -> StepTimes:
        latency, stages = fast.latency_ns.copy(), fast.stage_ns.copy()
        for i in range(count):
            if i in simulated:
                self._ratio = float(simulated[i].sum() / max(int(fast.latency_ns[i]), 1))
                self.ratios.append(self._ratio)
                stages[i] = simulated[i]
            else:
                self.estimated += 1
                stages[i] = np.rint(fast.stage_ns[i] * self._ratio)
            latency[i] = stages[i].sum()
        return StepTimes(latency, stages)
