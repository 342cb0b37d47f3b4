"""Whether every request of a stream can ever be served."""

from __future__ import annotations

import numpy as np

from moec.dsl.diagnostics import Diagnostic, Label
from moec.dsl.schema import Experiment
from moec.serving.results import Ints
from moec.serving.workload import SHOWN, RequestStream


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
            experiment, "M518", f"request `{stream.request_id[i]}` can never fit in the KV cache",
            "serving.kv_cache",
            f"{kv_blocks} blocks of {block} tokens hold {room} tokens per attention-DP rank",
            f"{stream.input_tokens[i]} prompt + {stream.output_tokens[i]} generated tokens need {cached[i]} of them",
            "shorten the request, or give the cache more blocks (`kv_cache.memory`, `kv_cache.blocks`, more ranks)",
        )
        for i in _shown(cached > room)
    ] + _more(experiment, "M518", cached > room)  # fmt: skip


def _too_long_for_budget(experiment: Experiment, stream: RequestStream) -> list[Diagnostic]:
    scheduler = experiment.serving.scheduler
    if scheduler.chunked_prefill:
        return []
    budget = scheduler.max_batched_tokens
    return [
        _diagnostic(
            experiment, "M519", f"the prompt of request `{stream.request_id[i]}` can never be scheduled",
            "serving.scheduler",
            f"{budget} tokens per iteration, and no chunked prefill",
            f"{stream.input_tokens[i]} prompt tokens",
            f"`max_batched_tokens = {int(stream.input_tokens.max())}`, or `chunked_prefill = true`",
        )
        for i in _shown(stream.input_tokens > budget)
    ] + _more(experiment, "M519", stream.input_tokens > budget)  # fmt: skip


def _diagnostic(
    experiment: Experiment, code: str, title: str, path: str, limit: str, need: str, help: str
) -> Diagnostic:
    """The workload is the primary span, the limit a secondary one where the user wrote it."""
    span, cause = experiment.span("workload.requests"), experiment.span(path)
    labels = (Label(cause, limit),) if cause is not None else ()
    label = need if labels else f"{need}; {limit}"
    return Diagnostic(code, title, span, label, labels, help)


def _shown(bad: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> list[int]:
    return [int(i) for i in np.flatnonzero(bad)[:SHOWN]]


def _more(experiment: Experiment, code: str, bad: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> list[Diagnostic]:
    rest: Ints = np.flatnonzero(bad)[SHOWN:]
    span = experiment.span("workload.requests")
    return [Diagnostic(code, f"{len(rest)} more requests have the same problem", span)] if len(rest) else []
