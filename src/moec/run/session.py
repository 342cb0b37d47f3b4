"""From an experiment to the results of serving it: the stages in order, each with the mistakes it found."""

from __future__ import annotations

from dataclasses import dataclass, replace

from moec.arrays import Ints
from moec.backends.base import Backend, StepTimer, Tallied
from moec.backends.registry import backend_of, timed_by
from moec.compiler.evidence import EvidenceTally, extrapolations
from moec.compiler.ir.batch import Load
from moec.compiler.lower import program_of
from moec.compiler.prepare import Prepared, prepare
from moec.diagnostics import Diagnostic, Refused, has_errors
from moec.dsl.schema import AstraOptions, Experiment, RooflineCosts, surface_name
from moec.serving.engine.config import EngineConfig, engine_config
from moec.serving.loop import Progress, serve
from moec.serving.requests.stream import RequestStream, workload_of
from moec.serving.results import Results
from moec.serving.shared import Watch

FAST, ASTRA_SIM = "fast", "astra_sim"


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """A feasible experiment, ready to be explained or (with a workload) simulated.

    `asked`: what its specification wants of ASTRA-sim, whoever times it now.
    """

    experiment: Experiment
    prepared: Prepared
    stream: RequestStream | None
    backend: Backend
    backend_name: str
    asked: AstraOptions

    def __repr__(self) -> str:
        """Which experiment, and who times it."""
        requests = 0 if self.stream is None else len(self.stream.request_id)
        return f"Session({self.experiment.name!r}, requests={requests:,}, backend={self.backend_name!r})"


def open_session(
    experiment: Experiment, backend: str | None = None, astra_sim: AstraOptions | None = None
) -> tuple[Session | None, list[Diagnostic]]:
    """Checks plan, memory, routing and workload; None when one of them has an error. Warnings come with a session.

    `backend` times it instead of the one that the specification names; `astra_sim`: how that one is to run.
    """
    name = backend or backend_named(experiment)
    asked = astra_sim or astra_options(experiment)
    try:
        return _opened(experiment, name, asked)
    except Refused as refused:
        return None, list(refused.diagnostics)


def _opened(experiment: Experiment, name: str, asked: AstraOptions) -> tuple[Session | None, list[Diagnostic]]:
    timed, found = timed_by(replace(experiment, backend=asked) if name == ASTRA_SIM else experiment, name)
    experiment = timed or experiment
    prepared, about_plan = prepare(experiment)
    found = [*found, *about_plan]
    stream = None
    if experiment.workload is not None:
        stream, about_workload = workload_of(experiment)
        found += about_workload
    if timed is None or prepared is None or has_errors(found):
        return None, found
    opened = backend_of(experiment)
    found += opened.notes(prepared.context)
    if has_errors(found):
        return None, found
    return Session(experiment, prepared, stream, opened, name, asked), found


def backend_named(experiment: Experiment) -> str:
    """The name of the backend that the specification asks for."""
    return surface_name(type(experiment.backend))


def astra_options(experiment: Experiment) -> AstraOptions:
    """What the specification asks of ASTRA-sim: its defaults, with the same kind of routing, where it asks nothing."""
    asked = experiment.backend
    return (
        asked if isinstance(asked, AstraOptions) else AstraOptions(routing="drawn" if experiment.drawn else "expected")
    )


def simulate(
    session: Session, progress: Progress | None = None, watch: Watch | None = None
) -> tuple[Results | None, list[Diagnostic]]:
    """Serves the session's requests. Same experiment and seed, same results but for `wall_s`.

    `watch` is told of every iteration that has run (see `moec.serving.shared.Watch`). An outside program or
    package that fails gives no results, and its diagnostics.
    """
    try:
        return _simulated(session, progress, watch)
    except Refused as refused:
        return None, list(refused.diagnostics)


def _simulated(
    session: Session, progress: Progress | None, watch: Watch | None
) -> tuple[Results | None, list[Diagnostic]]:
    if session.stream is None:
        span = session.experiment.span("workload") or session.experiment.span("model")
        title = f"experiment `{session.experiment.name}` has no workload to simulate"
        return None, [Diagnostic("M199", title, span, "this experiment", help="add `workload = …` to it")]
    timer = session.backend.steps(session.prepared.context)
    tally = _tally(session)
    results, found = serve(
        session.experiment,
        session.stream,
        engines_of(session, timer),
        backend=session.backend_name,
        progress=progress,
        watch=_both(tally, watch),
    )
    if results is None:
        return None, found
    if isinstance(timer, Tallied):
        results, found = replace(results, tally=timer.tally()), [*found, *_estimated(session, timer)]
    if tally is not None:
        evidence = tally.result()
        results = replace(results, evidence=evidence)
        found = [*found, *extrapolations(evidence, session.experiment.span("costs"))]
    return results, found


def engines_of(session: Session, timer: StepTimer) -> tuple[EngineConfig, ...]:
    """The engine of each instance of the session's experiment, all alike, iterations timed by `timer`."""
    prepared = session.prepared
    engine = engine_config(session.experiment, timer, prepared.context.layout, prepared.kv_cache)
    return (engine,) * session.experiment.serving.instances


def _estimated(session: Session, timer: Tallied) -> list[Diagnostic]:
    """That not every iteration was simulated, where that is so."""
    tally = timer.tally()
    if not tally.estimated:
        return []
    total = tally.simulated + tally.reused + tally.estimated
    title = f"{tally.estimated:,} of {total:,} iterations were not simulated"
    label = f"their time is the fast estimate times the last ratio, {min(tally.ratios):.3f} to {max(tally.ratios):.3f}"
    span = session.experiment.span("backend.every")
    fix = "`every = 1` simulates all of them"
    if span is None:
        title, label = f"{title}: {label}", ""
    return [Diagnostic("M425", title, span, label, help=fix, severity="warning")]


def _tally(session: Session) -> EvidenceTally | None:
    """A tally of evidence, unless the costs are of one kind throughout."""
    if isinstance(session.experiment.costs, RooflineCosts):
        return None
    return EvidenceTally(program_of(replace(session.prepared.context, copies=1)))


def _both(tally: EvidenceTally | None, watch: Watch | None) -> Watch | None:
    """A watch that tells both."""
    if tally is None:
        return watch

    def told(instance: int, start_ns: Ints, load: Load) -> None:
        tally.add(load, len(start_ns))
        if watch is not None:
            watch(instance, start_ns, load)

    return told
