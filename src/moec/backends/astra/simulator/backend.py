"""The astra_sim backend: times a graph by running the user's ASTRA-sim on its traces."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from moec.backends.astra.simulator.failure import NO_ROOM, SimulatorError
from moec.backends.astra.simulator.find import Binary, find
from moec.backends.astra.simulator.inputs import inputs_of, names_of, settings_for
from moec.backends.astra.simulator.run_folder import TraceFolder
from moec.backends.astra.simulator.runner import WORKERS, run_many
from moec.backends.astra.simulator.steps import AstraSteps
from moec.backends.astra.simulator.verdict import AstraRun
from moec.backends.base import StepTimer, Timing
from moec.backends.fast.backend import FastBackend
from moec.backends.probe import probe
from moec.compiler.ir.graph import Graph
from moec.compiler.lower import Context, program_of
from moec.diagnostics import Diagnostic, has_errors
from moec.dsl.schema import AstraOptions, Experiment, FastOptions


@dataclass(frozen=True, slots=True, eq=False)
class AstraSimBackend:
    """Runs of `binary` for graphs of `experiment`; failures are raised as SimulatorError."""

    experiment: Experiment
    options: AstraOptions
    binary: Binary

    @classmethod
    def of(cls, experiment: Experiment, options: AstraOptions | None = None) -> AstraSimBackend:
        """The backend for an experiment's cluster; SimulatorError when there is no simulator."""
        asked = options or AstraOptions()
        binary, found = find(asked.congestion, asked.binary)
        if binary is None:
            raise SimulatorError(found)
        return cls(experiment, asked, binary)

    def run(self, graph: Graph, *, detail: bool = True) -> Timing:
        """The timing of one graph. The simulator says when ranks finish, not when operations do: `ops` is empty."""
        return self.run_many([graph])[0]

    def run_many(self, graphs: Iterable[Graph]) -> list[Timing]:
        """The timings of several graphs, two runs at a time."""
        todo = list(graphs)
        timings: list[Timing] = []
        for start in range(0, len(todo), 2 * WORKERS):  # so that few trace folders stand on the disk at once
            timings += self._run_some(todo[start : start + 2 * WORKERS])
        return timings

    def notes(self, context: Context) -> list[Diagnostic]:
        """What runs of the experiment's iterations cannot express: warnings, and errors that a run would raise."""
        return settings_for(probe(context), self.experiment, self.options, self.binary.congestion)[1]

    def steps(self, context: Context) -> StepTimer:
        """A timer of iterations for the serving loop: every `every`-th is run, the others follow the fast estimator."""
        estimated = replace(self.experiment, backend=FastOptions(routing=self.options.routing))
        fast = FastBackend.of(estimated).steps(replace(context, experiment=estimated))
        return AstraSteps(program_of(context), self.run_many, fast, every=self.options.every)

    def _run_some(self, graphs: list[Graph]) -> list[Timing]:
        with ExitStack() as stack:
            try:
                folders = [
                    self._write(graph, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="moec-traces-"))))
                    for graph in graphs
                ]
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise SimulatorError([Diagnostic(NO_ROOM, f"the traces cannot be written: {reason}")]) from error
            names = [names_of(graph, self.options) for graph in graphs]
            runs = run_many(folders, self.binary.path, time_limit_s=self.options.time_limit, names=names)
        timings = []
        for graph, (done, found) in zip(graphs, runs, strict=True):
            if done is None:
                raise SimulatorError(found)
            timings.append(timing(done, graph.world))
        return timings

    def _write(self, graph: Graph, place: Path) -> TraceFolder:
        inputs, found = inputs_of(graph, self.experiment, self.options, self.binary.congestion)
        if has_errors(found):
            raise SimulatorError(found)
        return inputs.write(place)


def timing(done: AstraRun, world: int) -> Timing:
    """A run as a timing; ranks beyond `world` only kept another company."""
    finish, exposed = done.finish_ns[:world], done.exposed_ns[:world]
    makespan = finish.max()
    return Timing(np.asarray(makespan), finish, np.asarray(makespan - (finish - exposed).max()))
