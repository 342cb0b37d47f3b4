"""Times of iterations for the serving loop from whole graphs, each of them evaluated once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields

import numpy as np

from moec.arrays import Array
from moec.backends.base import StepTimes, Timing
from moec.compiler.ir.batch import Load
from moec.compiler.ir.graph import Graph
from moec.compiler.lower import lower
from moec.compiler.lower.program import Program


class GraphSteps:
    """`run_many` times graphs; `evaluated` and `reused` count iterations.

    With drawn routing every iteration is a graph of its own.
    """

    def __init__(self, program: Program, run_many: Callable[[list[Graph]], list[Timing]]) -> None:
        self._program, self._run_many = program, run_many
        self._drawn = program.context.law is not None and program.context.experiment.drawn
        self._known: dict[bytes, Array] = {}
        self._iteration = 0
        self.evaluated = self.reused = 0

    def times(self, load: Load) -> StepTimes:
        """Device time of each iteration; the load's fields broadcast to `[steps, dp]`."""
        rows = self.rows(load)
        ends = np.stack(self.stages(rows, range(self._iteration, self._iteration + len(rows))))
        self._iteration += len(rows)
        return StepTimes(ends.sum(axis=-1), ends)

    def rows(self, load: Load) -> list[Load]:
        """The load of each iteration."""
        dp = self._program.context.layout.dp
        shape = np.broadcast_shapes(*(np.shape(getattr(load, f.name)) for f in fields(load)), (1, dp))
        wide = load.map(lambda x: np.ascontiguousarray(np.broadcast_to(x, shape), dtype=float))
        return [wide.map(lambda x, i=i: x[i]) for i in range(shape[0])]  # type: ignore[misc]

    def stages(self, rows: Sequence[Load], iterations: Sequence[int]) -> list[Array]:
        """Nanoseconds of each stage, `[pp]` per row."""
        keys = [self._key(row, iteration) for row, iteration in zip(rows, iterations, strict=True)]
        fresh = {k: (row, n) for k, row, n in zip(keys, rows, iterations, strict=True) if k not in self._known}
        mode = "drawn" if self._drawn else "expected"
        graphs = [lower(self._program, row, mode, n) for row, n in fresh.values()]  # type: ignore[arg-type]
        for key, timing in zip(fresh, self._run_many(graphs), strict=True):
            self._known[key] = self._ends(timing)
        self.evaluated += len(fresh)
        self.reused += len(rows) - len(fresh)
        return [self._known[key] for key in keys]

    def _key(self, row: Load, iteration: int) -> bytes:
        """Equal for iterations with equal graphs."""
        sums = b"".join(getattr(row, f.name).tobytes() for f in fields(row))
        return sums + iteration.to_bytes(8, "little") if self._drawn else sums

    def _ends(self, timing: Timing) -> Array:
        pp = self._program.context.layout.pp
        ends: Array = timing.finish_ns.reshape(pp, -1).max(axis=-1)
        return np.diff(ends, prepend=0)
