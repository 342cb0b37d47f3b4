"""The serving simulation: the only place where time advances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from moec.backends.base import StepTimer
from moec.compiler.sizes.kv_blocks import host_blocks, kv_widths_in_all
from moec.compiler.sizes.layout import Layout
from moec.diagnostics import Diagnostic, has_errors
from moec.dsl.schema import ClosedLoop, Experiment, Gqa
from moec.serving.agenda import END, Agenda
from moec.serving.bounded import Bounded, beyond_clock
from moec.serving.engine.host_memory import ENDLESS
from moec.serving.engine.host_time import host_of
from moec.serving.engine.instance import Floor, Instance, Watch
from moec.serving.engine.kv_cache import block_keys
from moec.serving.engine.limits import NO_WINDOW, Limits
from moec.serving.engine.lockstep import Lockstep
from moec.serving.engine.pipeline import Pipeline
from moec.serving.feasible import servable
from moec.serving.records import RequestColumns, token_gaps
from moec.serving.requests.formats.request_trace import MOST_NS
from moec.serving.requests.stream import RequestStream
from moec.serving.results import Results
from moec.serving.router import Choose, router_of

Progress = Callable[[int, int, int], None]
"""`progress(completed, total, clock_ns)`."""

PROGRESS_S = 0.05


def serve(
    experiment: Experiment,
    stream: RequestStream,
    timer: StepTimer,
    *,
    kv_blocks: int,
    layout: Layout,
    backend: str,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> tuple[Results | None, list[Diagnostic]]:
    """Serve `stream` with `kv_blocks` usable cache blocks per attention-DP rank, iterations timed by `timer`.

    No results when a request could never be served, or not before the clock ends; the diagnostics say so. `progress` is called at most every 50 ms,
    `watch` for every iteration (or stretch of decode iterations) when it has run.
    """
    began = perf_counter()
    problems = servable(experiment, stream, kv_blocks)
    if has_errors(problems):
        return None, problems
    bounded = Bounded(timer)
    floor = _floor(experiment, stream, bounded, kv_blocks, layout)
    floor.watch = watch
    build = Lockstep if layout.pp == 1 else Pipeline
    instances: list[Instance] = [build(index, floor) for index in range(floor.instances)]
    arrivals = _arrivals(experiment, stream)
    clock = _run(floor, instances, arrivals, router_of(experiment), bounded, progress)
    if bounded.passed or clock > MOST_NS:
        return None, [*problems, beyond_clock(experiment, bounded)]
    requests, iterations = floor.requests, floor.iterations.table()
    results = Results(
        requests.table(stream.request_id),
        iterations,
        token_gaps(iterations, floor.gaps, lockstep=layout.pp == 1),
        kv_blocks,
        sum(requests.preemptions),
        perf_counter() - began,
        backend,
        experiment.seed,
        sum(instance.swapped for instance in instances) if _swaps(experiment) else None,
    )
    return results, problems


def _swaps(experiment: Experiment) -> bool:
    return experiment.serving.kv_cache.preemption == "swap"


def _host_blocks(experiment: Experiment) -> int:
    if not _swaps(experiment):
        return 0
    fitting = host_blocks(experiment)
    return ENDLESS if fitting is None else fitting


def _floor(experiment: Experiment, stream: RequestStream, timer: StepTimer, kv_blocks: int, layout: Layout) -> Floor:
    serving, model = experiment.serving, experiment.model
    window = model.attention.window if isinstance(model.attention, Gqa) else None
    block, scheduler = serving.kv_cache.block, serving.scheduler
    inputs = stream.input_tokens.tolist()
    keys = None
    if serving.kv_cache.prefix_caching and stream.token_ids is not None:
        keys = block_keys(stream.token_ids, inputs, block, stream.tokens_per_id)
    return Floor(
        requests=RequestColumns.of(inputs, stream.output_tokens.tolist(), stream.arrival_ns.tolist()),
        limits=Limits(
            max_sequences=scheduler.max_sequences,
            max_batched_tokens=scheduler.max_batched_tokens,
            chunked_prefill=scheduler.chunked_prefill,
            block=block,
            window=NO_WINDOW if window is None else window,
        ),
        timer=timer,
        agenda=Agenda(),
        instances=serving.instances,
        dp=layout.dp,
        pp=layout.pp,
        dummy=model.moe is not None,
        kv_blocks=kv_blocks,
        host=host_of(serving.overhead),
        admission_ns=round(serving.overhead.admission * 1e9),
        keys=keys,
        swap_blocks=_host_blocks(experiment),
        kv_widths=kv_widths_in_all(experiment),
    )


@dataclass(slots=True)
class Arrivals:
    """Requests arrive in order; in a closed loop (`closed`) each one that leaves lets the next one in."""

    total: int
    released: int
    closed: bool
    next: int = 0


def _arrivals(experiment: Experiment, stream: RequestStream) -> Arrivals:
    total = len(stream.request_id)
    match experiment.workload.arrivals if experiment.workload else None:
        case ClosedLoop(concurrency):
            return Arrivals(total, min(concurrency, total), closed=True)
        case _:
            return Arrivals(total, total, closed=False)


def _run(
    floor: Floor,
    instances: list[Instance],
    arrivals: Arrivals,
    choose: Choose,
    bounded: Bounded,
    progress: Progress | None,
) -> int:
    """Until all have left, or times pass what the clock can hold; returns where the clock stands."""
    agenda, columns = floor.agenda, floor.requests
    clock, completed, reported = 0, 0, perf_counter()
    while completed < arrivals.total and not bounded.passed and clock <= MOST_NS:
        waits = arrivals.next < arrivals.released
        horizon = columns.arrival_ns[arrivals.next] + floor.admission_ns if waits else None
        if horizon is not None and not agenda.before(horizon):
            clock = horizon
            _route(floor, instances, arrivals, choose)
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


def _route(floor: Floor, instances: list[Instance], arrivals: Arrivals, choose: Choose) -> None:
    request, columns = arrivals.next, floor.requests
    arrivals.next += 1
    instance, rank = divmod(choose(floor.waiting, floor.running), floor.dp)
    columns.instance[request], columns.dp_rank[request] = instance, rank
    instances[instance].arrive(request, rank, columns.arrival_ns[request] + floor.admission_ns)


def _release(columns: RequestColumns, arrivals: Arrivals, finished: int, now: int) -> None:
    for request in range(arrivals.released, min(arrivals.released + finished, arrivals.total)):
        columns.arrival_ns[request] = now
        arrivals.released += 1
