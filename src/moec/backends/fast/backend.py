"""The fast backend: times a graph with the network model and max-plus evaluation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from moec.backends.base import StepTimer, Timing
from moec.backends.fast.durations import durations
from moec.backends.fast.schedule import evaluate
from moec.backends.fast.steps import DrawnSteps, FastSteps
from moec.backends.fast.timing import timing
from moec.backends.network.alpha_beta import Network
from moec.backends.network.measured import network_with_costs, sourced
from moec.backends.network.report import ExchangeReport, exchange_reports
from moec.compiler.ir.graph import Graph
from moec.compiler.lower import Context, program_of
from moec.diagnostics import Diagnostic
from moec.dsl.schema import Device, Experiment


@dataclass(frozen=True, slots=True, eq=False)
class FastBackend:
    """Estimates on an experiment's devices and network."""

    net: Network
    device: Device
    interference: float = 0.0

    @classmethod
    def of(cls, experiment: Experiment) -> FastBackend:
        """The backend for `experiment`'s cluster, on its own tiers."""
        return cls(network_with_costs(experiment), experiment.cluster.node.device, experiment.parallelism.interference)

    def run(self, graph: Graph, *, detail: bool = True) -> Timing:
        """The timing of one graph; without `detail`, no per-op times."""
        spans = durations(graph, self.net, self.device)
        done = timing(graph, evaluate(graph, spans, detail=detail, interference=self.interference))
        return replace(done, ops=tuple(sourced(op, graph, self.net) for op in done.ops)) if self.net.measured else done

    def exchanges(self, graph: Graph) -> tuple[ExchangeReport, ...]:
        """What the exchanges of one iteration wait for: loads of ports, links and pairs, algorithms of collectives."""
        return exchange_reports(graph, self.net)

    def run_many(self, graphs: Iterable[Graph]) -> list[Timing]:
        """The timings of several graphs, without per-op times."""
        return [self.run(graph, detail=False) for graph in graphs]

    def notes(self, _context: Context) -> list[Diagnostic]:
        """Nothing: the estimator takes the cluster as it is."""
        return []

    def steps(self, context: Context) -> StepTimer:
        """A timer of iterations for the serving loop: tables, or a fresh draw for every iteration if asked for."""
        if context.law is not None and context.experiment.drawn:
            return DrawnSteps(program_of(context), self.run)
        return FastSteps(program_of(replace(context, copies=1)), self.net)
