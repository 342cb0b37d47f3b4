"""What is done to recorded requests once they are read, and what a user is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from moec.diagnostics import Diagnostic
from moec.diagnostics.nearest import enumerated
from moec.serving.requests.formats.columns import Columns, unused_columns
from moec.serving.requests.formats.request_trace import Trace

FASTEST = 1000
"""Requests a second on average, beyond which recorded times are taken to be in another unit."""
LATE_S = 3600
"""Seconds before the first request, beyond which a clock is taken to count from elsewhere."""


def cleaned(trace: Trace, columns: Columns, name: str, names: Sequence[str]) -> tuple[Trace | None, list[Diagnostic]]:
    """`trace` without failed requests, its clock beginning at 0 where the recording's means nothing; and warnings."""
    notes = []
    if unused := unused_columns(names):
        notes.append(
            _note(
                f"`{name}` has {enumerated(unused, 'and')}, which this version does not use",
                "what they change is not modelled",
            )
        )
    if columns.failures and not trace.output_tokens.all():
        kept = trace.output_tokens > 0
        lost = int((~kept).sum())
        if not kept.any():
            return None, [Diagnostic("M517", f"`{name}` has only failed requests, which generate nothing")]
        failed = "a failed request is" if lost == 1 else f"{lost:,} failed requests are"
        notes.append(_note(f"{failed} left out of `{name}`: 0 response tokens", "the recording says no more of them"))
        trace = _only(trace, kept)
    if columns.from_zero and trace.arrival_ns is not None:
        trace = replace(trace, arrival_ns=trace.arrival_ns - trace.arrival_ns.min())
    return trace, [*notes, *_implausible(trace, columns, name)]


def _note(title: str, help: str) -> Diagnostic:
    return Diagnostic("M511", title, help=help, severity="warning")


def _implausible(trace: Trace, columns: Columns, name: str) -> list[Diagnostic]:
    """Warnings about arrivals so close together that their unit is probably another, and about a clock that began long before."""
    if trace.arrival_ns is None or columns.unit in ("date", None):
        return []
    first, span, count = trace.arrival_ns.min() / 1e9, float(np.ptp(trace.arrival_ns)) / 1e9, len(trace.arrival_ns)
    as_read = f"`{columns.arrival}` is read in {columns.unit}"
    if count > 2 and 0 < span < count / FASTEST:
        title = f"the {count:,} requests of `{name}` all arrive within {span * 1e3:.3g} ms"
        help = f"{as_read}: if it is in another unit, say so, as in `trace(…, unit: s)`"
        return [Diagnostic("M513", title, help=help, severity="warning")]
    if first > LATE_S and first > span:
        title = (
            f"the first request of `{name}` arrives {first:,.0f} s after the run begins, which counts into its duration"
        )
        help = f"{as_read}: if it counts from another day, subtract the first"
        return [Diagnostic("M513", title, help=help, severity="warning")]
    return []


def _only(trace: Trace, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Trace:
    places = np.flatnonzero(kept)
    return Trace(
        trace.input_tokens[places],
        trace.output_tokens[places],
        None if trace.arrival_ns is None else trace.arrival_ns[places],
        None if trace.request_id is None else tuple(trace.request_id[i] for i in places),
        None if trace.token_ids is None else tuple(trace.token_ids[i] for i in places),
        trace.tokens_per_id,
    )
