"""Which simulated request is which recorded one, and whether the specification is of the run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from moec.compiler.sizes.layout import layout_of
from moec.diagnostics import Diagnostic, Label, Span
from moec.dsl.schema import Experiment
from moec.serving.requests.stream import RequestStream
from moec.study.validation.recorded import META, Recorded

SHOWN = 5

LAST_NUMBER = re.compile(r"(\d+)$")

SETTINGS: Mapping[str, str] = {
    "max_num_seqs": "serving.scheduler.max_sequences",
    "max_num_batched_tokens": "serving.scheduler.max_batched_tokens",
    "gpu_memory_utilization": "serving.kv_cache.memory",
    "tensor_parallel_size": "parallelism.attention.tp",
    "data_parallel_size": "parallelism.attention.dp",
    "pipeline_parallel_size": "parallelism.pp",
    "block_size": "serving.kv_cache.block",
    "enable_prefix_caching": "serving.kv_cache.prefix_caching",
    "async_scheduling": "serving.overhead.asynchronous",
}
"""Keys of `engine_kwargs` in `meta.json` and the fields that they are."""


def match(run: Recorded, stream: RequestStream, experiment: Experiment) -> tuple[list[int] | None, list[Diagnostic]]:
    """For every request of the stream, its row in `run`.

    A recorded request has the workload's id, or one that ends in its number there (`bench-17`: the eighteenth line).
    None when a request is missing, too many or of another length: the run was of another workload.
    """
    rows = _rows(run, stream)
    unknown = [i for i in range(len(run.request_id)) if i not in set(rows.values())]
    missing = [i for i, name in enumerate(stream.request_id) if name not in rows]
    if unknown or missing:
        return None, _counts(run, stream, experiment, unknown, missing)
    found = []
    for i, name in enumerate(stream.request_id):
        row = rows[name]
        ours = (int(stream.input_tokens[i]), int(stream.output_tokens[i]))
        theirs = (int(run.input_tokens[row]), int(run.output_tokens[row]))
        if ours != theirs:
            found.append(_unlike(run, row, ours, theirs, experiment))
    if found:
        rest = len(found) - SHOWN
        more = (
            [Diagnostic("M544", f"{rest} more requests of `{run.requests_file}` are of other lengths")]
            if rest > 0
            else []
        )
        return None, found[:SHOWN] + more
    return [rows[name] for name in stream.request_id], _unlike_settings(run, experiment)


def _rows(run: Recorded, stream: RequestStream) -> dict[str, int]:
    names, rows = set(stream.request_id), dict[str, int]()
    for row, request in enumerate(run.request_id):
        number = LAST_NUMBER.search(request)
        name = request if request in names else str(int(number[1])) if number else ""
        if name in names and name not in rows:
            rows[name] = row
    return rows


def _counts(
    run: Recorded, stream: RequestStream, experiment: Experiment, unknown: Sequence[int], missing: Sequence[int]
) -> list[Diagnostic]:
    span, (a, b) = experiment.span("workload.requests"), (len(run.request_id), len(stream.request_id))
    title = f"`{run.requests_file}` has {a} requests, the workload {b}"
    if a == b:
        title = f"the requests of `{run.requests_file}` are not those of the workload"
    details = [f"the run has no request `{stream.request_id[i]}`" for i in missing[:1]]
    details += [f"the workload has no request `{run.request_id[i]}`" for i in unknown[:1]]
    labels = tuple(Label(_line(run, i), "not in the workload") for i in unknown[:1])
    help = "compare a run with the workload that it served, whole; ids are the workload's, or end in its line number from 0"
    return [Diagnostic("M545", title, span, "; ".join(details), labels, help)]


def _unlike(
    run: Recorded, row: int, ours: tuple[int, int], theirs: tuple[int, int], experiment: Experiment
) -> Diagnostic:
    title = (
        f"request `{run.request_id[row]}` on line {run.lines[row]} of `{run.requests_file}` has {theirs[0]} prompt and "
        f"{theirs[1]} generated tokens, in the workload {ours[0]} and {ours[1]}"
    )
    span = experiment.span("workload.requests")
    labels = (Label(span, "the workload"),) if span is not None else ()
    help = "name the workload that the run served"
    return Diagnostic("M544", title, _line(run, row), "recorded here", labels, help)


def _line(run: Recorded, row: int) -> Span:
    return Span(run.requests_file, run.lines[row], 1, run.lines[row], 2)


def _unlike_settings(run: Recorded, experiment: Experiment) -> list[Diagnostic]:
    """Warnings for settings that the run's `meta.json` gives otherwise than the specification."""
    given = run.meta.get("engine_kwargs")
    if not isinstance(given, dict):
        return []
    found = []
    for key, path in SETTINGS.items():
        theirs, ours = given.get(key), _value(experiment, path)
        if theirs is None or theirs == ours:
            continue
        title = f"the run had `{key}` {_text(theirs)}, the specification has `{path}` = {_text(ours)}"
        help = f"`--set {path}={_text(theirs)}` compares like with like"
        found.append(
            Diagnostic("M546", title, experiment.span(path), f"`{META}` says otherwise", help=help, severity="warning")
        )
    return found


def _value(experiment: Experiment, path: str) -> Any:
    layout = layout_of(experiment)
    plan = {"parallelism.attention.tp": layout.tp, "parallelism.attention.dp": layout.dp, "parallelism.pp": layout.pp}
    if path in plan:
        return plan[path]
    value: Any = experiment
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
