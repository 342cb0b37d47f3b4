"""The serving simulation: the only place where time advances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from moec.diagnostics import Diagnostic, has_errors
from moec.dsl.schema import ClosedLoop, Experiment
from moec.serving.agenda import END
from moec.serving.bounded import Bounded, Overrun, beyond_clock
from moec.serving.engine.config import EngineConfig
from moec.serving.engine.instance import Instance
from moec.serving.engine.kv_cache import block_keys
from moec.serving.engine.lockstep import Lockstep
from moec.serving.engine.pipeline import Pipeline
from moec.serving.feasible import servable
from moec.serving.queues import queues_of
from moec.serving.records import RequestColumns, token_gaps
from moec.serving.requests.formats.request_trace import MOST_NS
from moec.serving.requests.stream import RequestStream
from moec.serving.results import Results
from moec.serving.router import Choose, router_of
from moec.serving.shared import Shared, Watch

Progress = Callable[[int, int, int], None]
"""`progress(completed, total, clock_ns)`."""

PROGRESS_S = 0.05


def serve(
    experiment: Experiment,
    stream: RequestStream,
    engines: Sequence[EngineConfig],
    *,
    backend: str,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> tuple[Results | None, list[Diagnostic]]:
    """Serve `stream` on `engines`, one for each instance (like instances may have the same).

    `experiment`: whose workload, router and delay of admission are the run's. No results when a request could never be served,
    or not before the clock ends; the diagnostics say so. `progress` is called at most every 50 ms, `watch` for every iteration
    (or stretch of decode iterations) when it has run.
    """
    began = perf_counter()
    kinds = list(dict.fromkeys(engines))
    problems = [found for kind in kinds for found in servable(kind.experiment, stream, kind.kv_cache.blocks)]
    if has_errors(problems):
        return None, problems
    overrun = Overrun()
    bounded = {kind: replace(kind, timer=Bounded(kind.timer, overrun)) for kind in kinds}
    shared = _shared(stream, engines, watch)
    instances = [_instance(index, bounded[engine], shared) for index, engine in enumerate(engines)]
    arrivals, choose = _arrivals(experiment, stream), router_of(experiment)
    clock = _run(shared, instances, arrivals, choose, overrun=overrun, progress=progress)
    if overrun.passed or clock > MOST_NS:
        return None, [*problems, beyond_clock(experiment, overrun)]
    requests, iterations = shared.requests, shared.iterations.table()
    results = Results(
        requests=requests.table(stream.request_id),
        iterations=iterations,
        gaps=token_gaps(iterations, shared.gaps, [engine.lockstep for engine in engines]),
        kv_blocks=engines[0].kv_cache.blocks,
        preemptions=sum(requests.preemptions),
        wall_s=perf_counter() - began,
        backend=backend,
        seed=experiment.seed,
        swapped=sum(i.swapped for i in instances) if any(kind.swaps for kind in kinds) else None,
    )
    return results, problems


def _shared(stream: RequestStream, engines: Sequence[EngineConfig], watch: Watch | None) -> Shared:
    inputs, prefixes = stream.input_tokens.tolist(), dict[int, list[list[int]]]()
    if stream.token_ids is not None:
        caching = (engine for engine in engines if engine.experiment.serving.kv_cache.prefix_caching)
        for block in {engine.limits.block for engine in caching}:
            prefixes[block] = block_keys(stream.token_ids, inputs, block, stream.tokens_per_id)
    return Shared(
        requests=RequestColumns.of(inputs, stream.output_tokens.tolist(), stream.arrival_ns.tolist()),
        queues=queues_of([engine.layout.dp for engine in engines]),
        prefixes=prefixes,
        watch=watch,
    )


def _instance(index: int, engine: EngineConfig, shared: Shared) -> Instance:
    return Lockstep(index, engine, shared) if engine.lockstep else Pipeline(index, engine, shared)


@dataclass(slots=True, kw_only=True)
class Arrivals:
    """Requests arrive in order; in a closed loop (`closed`) each one that leaves lets the next one in.

    `admission_ns`: from a request's arrival to its queue.
    """

    total: int
    released: int
    closed: bool
    admission_ns: int
    next: int = 0


def _arrivals(experiment: Experiment, stream: RequestStream) -> Arrivals:
    total, admission_ns = len(stream.request_id), round(experiment.serving.overhead.admission * 1e9)
    match experiment.workload.arrivals if experiment.workload else None:
        case ClosedLoop(concurrency):
            released = min(concurrency, total)
            return Arrivals(total=total, released=released, closed=True, admission_ns=admission_ns)
        case _:
            return Arrivals(total=total, released=total, closed=False, admission_ns=admission_ns)


def _run(
    shared: Shared,
    instances: Sequence[Instance],
    arrivals: Arrivals,
    choose: Choose,
    *,
    overrun: Overrun,
    progress: Progress | None,
) -> int:
    """Until all have left, or times pass what the clock can hold; returns where the clock stands."""
    agenda, columns = shared.agenda, shared.requests
    clock, completed, reported = 0, 0, perf_counter()
    while completed < arrivals.total and not overrun.passed and clock <= MOST_NS:
        waits = arrivals.next < arrivals.released
        horizon = columns.arrival_ns[arrivals.next] + arrivals.admission_ns if waits else None
        if horizon is not None and not agenda.before(horizon):
            clock = horizon
            _route(shared, instances, arrivals, choose, clock)
            continue
        clock, kind, _, index, token = agenda.next()
        if kind != END:
            instances[index].start(clock, token, horizon)
            continue
        finished = instances[index].end(clock, token)
        completed += finished
        if arrivals.closed:
            _release(columns, arrivals, finished, clock)
        if progress is not None and perf_counter() - reported >= PROGRESS_S:
            reported = perf_counter()
            progress(completed, arrivals.total, clock)
    if progress is not None:
        progress(completed, arrivals.total, clock)
    return clock


def _route(shared: Shared, instances: Sequence[Instance], arrivals: Arrivals, choose: Choose, now: int) -> None:
    request, columns = arrivals.next, shared.requests
    arrivals.next += 1
    target = choose(shared.queues)
    columns.instance[request], columns.dp_rank[request] = target
    instances[target.instance].arrive(request, target.rank, now)


def _release(columns: RequestColumns, arrivals: Arrivals, finished: int, now: int) -> None:
    for request in range(arrivals.released, min(arrivals.released + finished, arrivals.total)):
        columns.arrival_ns[request] = now
        arrivals.released += 1
