"""The stream of requests that a workload describes: lengths, arrivals and, where known, token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import assert_never

import numpy as np

from moec.arrays import Ints
from moec.diagnostics import Diagnostic
from moec.dsl.schema import ClosedLoop, Experiment, Lengths, Recorded, TraceRequests, Workload, surface_name
from moec.registry import REQUEST_READERS, maker, named, told, wrong
from moec.serving.requests.formats import Trace, read_trace
from moec.serving.requests.formats.request_trace import MOST_NS
from moec.serving.requests.synthetic import arrival_times, request_lengths

SHOWN = 5
"""Mistakes of one kind that are named one by one before the rest are only counted."""


@dataclass(frozen=True, slots=True, eq=False)
class RequestStream:
    """Requests in arrival order (ties in file order), times in nanoseconds from the start of the run.

    `token_ids[i]`: the prompt's ids, one per `tokens_per_id` tokens (a trace may name whole blocks); None when unknown.
    """

    request_id: tuple[str, ...]
    arrival_ns: Ints
    input_tokens: Ints
    output_tokens: Ints
    token_ids: tuple[Ints, ...] | None = None
    tokens_per_id: int = 1


def workload_of(experiment: Experiment) -> tuple[RequestStream | None, list[Diagnostic]]:
    """The requests of the experiment's workload; None, with the reasons, when they cannot be had."""
    workload = experiment.workload
    if workload is None:
        return None, []
    stream, notes = _requests(experiment, workload)
    if stream is None:
        return None, notes
    arranged, found = _arrange(experiment, stream)
    return arranged, [*notes, *found, *_no_ids(experiment, stream), *_no_output(experiment, stream)]


def _requests(experiment: Experiment, workload: Workload) -> tuple[RequestStream | None, list[Diagnostic]]:
    """The requests, not yet arranged by their arrivals."""
    recorded = isinstance(workload.arrivals, Recorded)
    if named(type(workload.requests)) is not None:
        name = surface_name(type(workload.requests))
        return _of_trace(experiment, name, *_added(experiment, name))
    match workload.requests:
        case Lengths() as lengths:
            if recorded:
                return None, [_nothing_recorded(experiment)]
            prompt, answer = request_lengths(lengths, experiment.seed)
            return RequestStream(_numbered(lengths.count), np.zeros(lengths.count, np.int64), prompt, answer), []
        case TraceRequests() as source:
            cached = experiment.serving.kv_cache.prefix_caching
            read = read_trace(source, timed=recorded, with_ids=cached)
            return _of_trace(experiment, Path(source.file).name, *read)
        case other:
            assert_never(other)


def _no_output(experiment: Experiment, stream: RequestStream) -> list[Diagnostic]:
    """A warning about requests that generate nothing, which have neither a first token nor a time per token."""
    silent = int((stream.output_tokens == 0).sum())
    if not silent:
        return []
    total = len(stream.output_tokens)
    if silent == 1:
        title = (
            f"one of {total:,} requests generates no tokens: it is served as a prompt, without a time to first token"
        )
    else:
        title = f"{silent:,} of {total:,} requests generate no tokens: they are served as prompts, without times to first token"
    help = "latency figures leave them out; remove their lines if they stand for failures"
    return [Diagnostic("M512", title, experiment.span("workload.requests"), help=help, severity="warning")]


def _added(experiment: Experiment, name: str) -> tuple[Trace | None, list[Diagnostic]]:
    """The requests of another package's reader, looked at."""
    trace, found = told(REQUEST_READERS, name, maker(REQUEST_READERS, name)(experiment), Trace)
    if trace is not None and (said := _unsound(trace)):
        raise wrong(REQUEST_READERS, name, said)
    return trace, found


def _unsound(trace: Trace) -> str:
    """What is wrong with a trace that no reader of ours has looked at; empty when nothing is."""
    columns = {"input_tokens": (trace.input_tokens, 1), "output_tokens": (trace.output_tokens, 0)}
    if trace.arrival_ns is not None:
        columns["arrival_ns"] = (trace.arrival_ns, 0)
    for column, (values, least) in columns.items():
        array = np.asarray(values)
        if array.dtype != np.int64 or array.shape != (len(trace.input_tokens),):
            return f"gave `{column}` as {array.dtype} of {list(array.shape)}, not int64 of [{len(trace.input_tokens)}]"
        if len(array) and array.min() < least:
            return f"gave {int(array.min())} for `{column}`, at least {least} is needed"
    return ""


def _of_trace(
    experiment: Experiment, name: str, trace: Trace | None, found: list[Diagnostic]
) -> tuple[RequestStream | None, list[Diagnostic]]:
    """What a reader found in `name`, with the place in the specification that asked for it."""
    span = experiment.span("workload.requests")
    notes = [replace(d, span=d.span or span) for d in found]
    if trace is None:
        return None, notes
    assert experiment.workload is not None
    if trace.arrival_ns is None and isinstance(experiment.workload.arrivals, Recorded):
        return None, [_no_times(experiment, name)]
    return _stream(trace), notes


def _stream(trace: Trace) -> RequestStream:
    names = trace.request_id or _numbered(len(trace.input_tokens))
    arrival = np.zeros(len(names), np.int64) if trace.arrival_ns is None else trace.arrival_ns
    return RequestStream(names, arrival, trace.input_tokens, trace.output_tokens, trace.token_ids, trace.tokens_per_id)


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(str(i) for i in range(count))


def _arrange(experiment: Experiment, stream: RequestStream) -> tuple[RequestStream | None, list[Diagnostic]]:
    """The stream with the workload's arrivals, sorted by them."""
    assert experiment.workload is not None
    found = _check(experiment, stream)
    if found:
        return None, found
    match experiment.workload.arrivals:
        case Recorded(speed):
            with np.errstate(over="ignore"):  # infinitely late is too late
                arrival = stream.arrival_ns if speed == 1 else np.rint(stream.arrival_ns / speed)
        case ClosedLoop():
            arrival = np.zeros(len(stream.request_id), np.int64)
        case arrivals:
            arrival = arrival_times(arrivals, len(stream.request_id), experiment.seed)
    if arrival.max() > MOST_NS:
        return None, [_too_late(experiment)]
    arrival = arrival.astype(np.int64)
    order = np.argsort(arrival, kind="stable")
    if np.array_equal(order, np.arange(len(order))):
        return replace(stream, arrival_ns=arrival), []
    ids = stream.token_ids
    return (
        RequestStream(
            tuple(stream.request_id[i] for i in order),
            arrival[order],
            stream.input_tokens[order],
            stream.output_tokens[order],
            None if ids is None else tuple(ids[i] for i in order),
            stream.tokens_per_id,
        ),
        [],
    )


def _check(experiment: Experiment, stream: RequestStream) -> list[Diagnostic]:
    span = experiment.span("workload.requests")
    if not stream.request_id:
        return [
            Diagnostic("M517", "the workload has no requests", span, help="a trace needs at least one line of data")
        ]
    twice = _repeated(stream.request_id)
    if twice is not None:
        title = f"request id `{twice}` stands for several requests"
        return [Diagnostic("M516", title, span, help="give every request its own id, or leave the column out")]
    if "" in stream.request_id:
        title = f"request {stream.request_id.index('') + 1} of the trace has an empty id"
        return [Diagnostic("M516", title, span, help="give every request its own id, or leave the column out")]
    return []


def _repeated(names: Sequence[str]) -> str | None:
    if len(set(names)) == len(names):
        return None
    seen: set[str] = set()
    return next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]


def _nothing_recorded(experiment: Experiment) -> Diagnostic:
    span = experiment.span("workload.arrivals") or experiment.span("workload")
    return Diagnostic(
        "M515",
        "synthetic requests have no recorded arrivals",
        span,
        "`recorded()` replays the times of a trace",
        help="write `arrivals = poisson(rate: 10 req/s)`, `constant(…)`, `gamma(…)`, `burst()` or `closed_loop(…)`",
    )


def _no_ids(experiment: Experiment, stream: RequestStream) -> list[Diagnostic]:
    """M514, a warning: prefix caching was asked for, but nobody knows which prefixes are equal."""
    asked = experiment.spans.get("serving.kv_cache.prefix_caching")
    if asked is None or not experiment.serving.kv_cache.prefix_caching or stream.token_ids is not None:
        return []
    title = "`prefix_caching` has no effect: the requests have no token ids"
    help = "drop it, or give a trace with `input_tok_ids` or `hash_ids` on every line"
    return [Diagnostic("M514", title, asked, "nothing is known to be shared", help=help, severity="warning")]


def _too_late(experiment: Experiment) -> Diagnostic:
    span = experiment.span("workload.arrivals")
    title = f"the last request arrives after more than {MOST_NS / 3.15576e16:.0f} years"
    return Diagnostic("M513", title, span, help="raise the rate, or the `speed` of the replay")


def _no_times(experiment: Experiment, name: str) -> Diagnostic:
    span = experiment.span("workload.arrivals") or experiment.span("workload.requests")
    help = "add an `arrival_s` column, or write `arrivals = poisson(rate: 10 req/s)` or another law"
    return Diagnostic("M515", f"`{name}` has no arrival times to replay", span, help=help)
