"""What is done to recorded requests once they are read, and what a user is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from moec.diagnostics import Diagnostic
from moec.serving.requests.formats.columns import Columns, unused_columns
from moec.serving.requests.formats.request_trace import Trace

FASTEST = 1000
"""Requests a second on average, beyond which recorded times are taken to be in another unit."""


def cleaned(trace: Trace, columns: Columns, name: str, names: Sequence[str]) -> tuple[Trace | None, list[Diagnostic]]:
    """`trace` without failed requests, its clock beginning at 0 where the recording's means nothing; and warnings."""
    unused = [f"does not use {what}" for what in unused_columns(names)]
    notes = _notes(unused, name, "what they change is not modelled")
    if columns.failures and not trace.output_tokens.all():
        kept = trace.output_tokens > 0
        lost = int((~kept).sum())
        if not kept.any():
            return None, [Diagnostic("M517", f"`{name}` has only failed requests, which generate nothing")]
        said = f"leaves out {lost:,} failed request{'s' if lost > 1 else ''}, with 0 response tokens"
        notes += _notes([said], name, "")
        trace = _only(trace, kept)
    if columns.from_zero and trace.arrival_ns is not None:
        trace = replace(trace, arrival_ns=trace.arrival_ns - trace.arrival_ns.min())
    return trace, [*notes, *_implausible(trace, columns, name)]


def _notes(what: Sequence[str], name: str, help: str) -> list[Diagnostic]:
    return [Diagnostic("M511", f"moec {said} of `{name}`", help=help, severity="warning") for said in what]


def _implausible(trace: Trace, columns: Columns, name: str) -> list[Diagnostic]:
    """A warning about arrivals so close together that their unit is probably another."""
    if trace.arrival_ns is None or len(trace.arrival_ns) < 3 or columns.unit in ("date", None):
        return []
    span = float(np.ptp(trace.arrival_ns)) / 1e9
    if not 0 < span < len(trace.arrival_ns) / FASTEST:
        return []
    title = f"the {len(trace.arrival_ns):,} requests of `{name}` all arrive within {span * 1e3:.3g} ms"
    help = f"`{columns.arrival}` is read in {columns.unit}: if it is in another unit, say so, as in `trace(…, unit: s)`"
    return [Diagnostic("M513", title, help=help, severity="warning")]


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
