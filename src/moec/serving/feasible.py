"""Whether every request of a stream can ever be served."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moec.diagnostics import Diagnostic, Label
from moec.dsl.schema import Experiment
from moec.serving.requests.stream import SHOWN, RequestStream

Flags = NDArray[np.bool_]


def servable(experiment: Experiment, stream: RequestStream, kv_blocks: int) -> list[Diagnostic]:
    """Errors for requests that no schedule could run: M518 too long for the cache, M519 for a budget without chunking."""
    return [*_too_long_for_cache(experiment, stream, kv_blocks), *_too_long_for_budget(experiment, stream)]


def _too_long_for_cache(experiment: Experiment, stream: RequestStream, kv_blocks: int) -> list[Diagnostic]:
    block = experiment.serving.kv_cache.block
    # the last generated token is never cached: nothing follows it
    cached = stream.input_tokens + np.maximum(stream.output_tokens, 1) - 1
    room = kv_blocks * block
    return [
        _diagnostic(
            experiment,
            "M518",
            f"request `{stream.request_id[i]}` can never fit in the KV cache",
            path="serving.kv_cache",
            limit=f"{kv_blocks} blocks of {block} tokens hold {room} tokens per attention-DP rank",
            need=f"{stream.input_tokens[i]} prompt + {stream.output_tokens[i]} generated tokens need {cached[i]} of them",
            help="shorten the request, or give the cache more blocks (`kv_cache.memory`, `kv_cache.blocks`, more ranks)",
        )
        for i in _shown(stream, cached > room)
    ] + _more(experiment, "M518", stream, cached > room)


def _too_long_for_budget(experiment: Experiment, stream: RequestStream) -> list[Diagnostic]:
    scheduler = experiment.serving.scheduler
    if scheduler.chunked_prefill:
        return []
    budget = scheduler.max_batched_tokens
    return [
        _diagnostic(
            experiment,
            "M519",
            f"the prompt of request `{stream.request_id[i]}` can never be scheduled",
            path="serving.scheduler",
            limit=f"{budget} tokens per iteration, and no chunked prefill",
            need=f"{stream.input_tokens[i]} prompt tokens",
            help=f"`max_batched_tokens = {int(stream.input_tokens.max())}`, or `chunked_prefill = true`",
        )
        for i in _shown(stream, stream.input_tokens > budget)
    ] + _more(experiment, "M519", stream, stream.input_tokens > budget)


def _diagnostic(
    experiment: Experiment, code: str, title: str, *, path: str, limit: str, need: str, help: str
) -> Diagnostic:
    """The workload is the primary span, the limit a secondary one where the user wrote it."""
    span, cause = experiment.span("workload.requests"), experiment.span(path)
    labels = (Label(cause, limit),) if cause is not None else ()
    label = need if labels else f"{need}; {limit}"
    return Diagnostic(code, title, span, label, labels, help)


def _shown(stream: RequestStream, bad: Flags) -> list[int]:
    """The first few of them, one of each pair of lengths."""
    rows = np.flatnonzero(bad)
    lengths = np.stack([stream.input_tokens[rows], stream.output_tokens[rows]], axis=-1)
    _, first = np.unique(lengths, axis=0, return_index=True)
    return [int(i) for i in rows[np.sort(first)[:SHOWN]]]


def _more(experiment: Experiment, code: str, stream: RequestStream, bad: Flags) -> list[Diagnostic]:
    rest = int(bad.sum()) - len(_shown(stream, bad))
    if not rest:
        return []
    title = f"{rest} more requests have the same problem" if rest > 1 else "one more request has the same problem"
    return [Diagnostic(code, title, experiment.span("workload.requests"))]
