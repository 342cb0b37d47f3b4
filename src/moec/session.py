"""From an experiment to the results of serving it: the stages in order, each with the mistakes it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from moec.backends.astra_sim.backend import AstraSimBackend
from moec.backends.base import Backend
from moec.backends.registry import backend_named
from moec.compiler.batch import Load
from moec.compiler.lower import program_of
from moec.compiler.pipeline import Prepared, prepare
from moec.compiler.tally import Tally, extrapolations
from moec.dsl.diagnostics import Diagnostic, has_errors
from moec.dsl.schema import AstraOptions, Experiment, RooflineCosts
from moec.serving.instance import Watch
from moec.serving.loop import serve
from moec.serving.results import Ints, Results
from moec.serving.workload import RequestStream, workload_of

ASTRA_SIM = "astra_sim"

Progress = Callable[[int, int, int], None]
"""Called now and then with requests finished, requests in all and the simulated clock in nanoseconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """A feasible experiment, ready to be explained or (with a workload) simulated."""

    experiment: Experiment
    prepared: Prepared
    stream: RequestStream | None
    backend: Backend
    backend_name: str


def open_session(
    experiment: Experiment, backend: str = "fast", astra_sim: AstraOptions | None = None
) -> tuple[Session | None, list[Diagnostic]]:
    """Checks plan, memory, routing and workload; None when one of them has an error. Warnings come with a session.

    `astra_sim`: how the backend of that name is to run.
    """
    chosen, found = backend_named(backend)
    prepared, about_plan = prepare(experiment)
    found += about_plan
    stream = None
    if experiment.workload is not None:
        stream, about_workload = workload_of(experiment)
        found += about_workload
    if chosen is None or prepared is None or has_errors(found):
        return None, found
    opened = AstraSimBackend.of(experiment, astra_sim) if backend == ASTRA_SIM else chosen.of(experiment)
    return Session(experiment, prepared, stream, opened, backend), found


def simulate(
    session: Session, progress: Progress | None = None, watch: Watch | None = None
) -> tuple[Results | None, list[Diagnostic]]:
    """Serves the session's requests. Same experiment and seed, same results but for `wall_s`.

    `watch` is told of every iteration that has run (see `moec.serving.instance.Watch`).
    """
    if session.stream is None:
        span = session.experiment.span("workload") or session.experiment.span("model")
        title = f"experiment `{session.experiment.name}` has no workload to simulate"
        return None, [Diagnostic("M199", title, span, "this experiment", help="add `workload = …` to it")]
    context = session.prepared.context
    tally = _tally(session)
    results, found = serve(
        session.experiment,
        session.stream,
        session.backend.steps(context),
        kv_blocks=session.prepared.memory.kv_blocks,
        layout=context.layout,
        backend=session.backend_name,
        progress=progress,
        watch=_both(tally, watch),
    )
    if results is None or tally is None:
        return results, found
    evidence = tally.result()
    return replace(results, evidence=evidence), [*found, *extrapolations(evidence, session.experiment.span("costs"))]


def _tally(session: Session) -> Tally | None:
    """A tally of evidence, unless the costs are of one kind throughout."""
    if isinstance(session.experiment.costs, RooflineCosts):
        return None
    return Tally(program_of(replace(session.prepared.context, copies=1)))


def _both(tally: Tally | None, watch: Watch | None) -> Watch | None:
    """A watch that tells both."""
    if tally is None:
        return watch

    def told(instance: int, start_ns: Ints, load: Load) -> None:
        tally.add(load, len(start_ns))
        if watch is not None:
            watch(instance, start_ns, load)

    return told
