"""Times of iterations for the serving loop from runs of the simulator, each graph once, and estimates between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np

from moec.backends.base import StepTimer, StepTimes, Tally, Timing
from moec.compiler.batch import Load
from moec.compiler.graph import Graph
from moec.compiler.kernels import Array
from moec.compiler.lower import lower
from moec.compiler.lower.program import Program


class AstraSteps:
    """Runs iterations 0, `every`, 2 · `every` …; what lies between takes the fast estimate times the last run's ratio.

    `simulated`, `reused`, `estimated` count iterations; `ratios` holds simulated ÷ fast for every run, when `every` > 1.
    With drawn routing every iteration is a graph of its own.
    """

    def __init__(
        self, program: Program, run_many: Callable[[list[Graph]], list[Timing]], fast: StepTimer, *, every: int
    ) -> None:
        self._program, self._run_many, self._fast, self._every = program, run_many, fast, every
        self._drawn = program.context.law is not None and program.context.experiment.backend.routing == "drawn"
        self._known: dict[bytes, Array] = {}
        self._iteration, self._ratio = 0, 1.0
        self.simulated = self.reused = self.estimated = 0
        self.ratios: list[float] = []

    def times(self, load: Load) -> StepTimes:
        """Device time of each iteration; the load's fields broadcast to `[steps, dp]`."""
        rows = self._rows(load)
        first = self._iteration
        self._iteration += len(rows)
        chosen = [i for i in range(len(rows)) if (first + i) % self._every == 0]
        stages = dict(zip(chosen, self._simulate([rows[i] for i in chosen], [first + i for i in chosen]), strict=True))
        if self._every > 1:
            return self._between(load, len(rows), stages)
        ends = np.stack([stages[i] for i in range(len(rows))])
        return StepTimes(ends.sum(axis=-1), ends)

    def tally(self) -> Tally:
        """Of all iterations timed so far."""
        return Tally(self.simulated, self.reused, self.estimated, tuple(self.ratios))

    def _between(self, load: Load, count: int, simulated: dict[int, Array]) -> StepTimes:
        fast = self._fast.times(load)
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

    def _rows(self, load: Load) -> list[Load]:
        dp = self._program.context.layout.dp
        shape = np.broadcast_shapes(*(np.shape(getattr(load, f.name)) for f in fields(load)), (1, dp))
        wide = load.map(lambda x: np.ascontiguousarray(np.broadcast_to(x, shape), dtype=float))
        return [wide.map(lambda x, i=i: x[i]) for i in range(shape[0])]  # type: ignore[misc]

    def _simulate(self, rows: list[Load], iterations: list[int]) -> list[Array]:
        """Nanoseconds of each stage, `[pp]` per row."""
        keys = [self._key(row, iteration) for row, iteration in zip(rows, iterations, strict=True)]
        fresh = {k: (row, n) for k, row, n in zip(keys, rows, iterations, strict=True) if k not in self._known}
        mode = "drawn" if self._drawn else "expected"
        graphs = [lower(self._program, row, mode, n) for row, n in fresh.values()]  # type: ignore[arg-type]
        for key, timing in zip(fresh, self._run_many(graphs), strict=True):
            self._known[key] = self._stages(timing)
        self.simulated += len(fresh)
        self.reused += len(rows) - len(fresh)
        return [self._known[key] for key in keys]

    def _key(self, row: Load, iteration: int) -> bytes:
        """Equal for iterations with equal graphs."""
        sums = b"".join(getattr(row, f.name).tobytes() for f in fields(row))
        return sums + iteration.to_bytes(8, "little") if self._drawn else sums

    def _stages(self, timing: Timing) -> Array:
        pp = self._program.context.layout.pp
        ends: Array = timing.finish_ns.reshape(pp, -1).max(axis=-1)
        return np.diff(ends, prepend=0)
