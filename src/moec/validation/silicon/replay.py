"""One row replayed: its experiment simulated, and its times beside the measured ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.dsl.load import load_text
from moec.serving.loop import serve
from moec.session import Session, open_session
from moec.validation.silicon.rows import Row
from moec.validation.silicon.specs import obstacle, specification

PER_SLOT = 10
"""Requests for each one in flight, as the benchmark sent them."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """A row with what moec says of it: medians over the requests in milliseconds, or `why` it says nothing."""

    row: Row
    ttft_ms: float | None = None
    tpot_ms: float | None = None
    why: str = ""

    @property
    def tpot_error(self) -> float:
        """Simulated ÷ measured − 1; not a number without a prediction."""
        return float("nan") if self.tpot_ms is None else self.tpot_ms / self.row.tpot_ms - 1

    @property
    def ttft_error(self) -> float:
        """The same of the time to first token."""
        return float("nan") if self.ttft_ms is None else self.ttft_ms / self.row.ttft_ms - 1


def replay(row: Row, per_slot: int = PER_SLOT) -> Replayed:
    """Simulate a row's run."""
    why = obstacle(row)
    if why is not None:
        return Replayed(row, why=why)
    experiment, report = load_text(specification(row, per_slot, row.inference_max), row.id)
    if experiment is None:
        raise ValueError("\n".join(d.title for d in report.diagnostics))  # our own text: a mistake of ours
    session, found = open_session(experiment)
    if session is None:
        return Replayed(row, why=next(d.title for d in found if d.severity == "error"))
    return _serve(row, session)


def _serve(row: Row, session: Session) -> Replayed:
    assert session.stream is not None
    context = session.prepared.context
    results, found = serve(
        session.experiment, session.stream, session.backend.steps(context),
        kv_blocks=session.prepared.memory.kv_blocks, layout=context.layout, backend=session.backend_name,
    )  # fmt: skip
    if results is None:
        return Replayed(row, why=next(d.title for d in found if d.severity == "error"))
    t = results.requests
    first = (t.first_token_ns - t.arrival_ns) / 1e6
    after = (t.finish_ns - t.first_token_ns) / 1e6 / np.maximum(t.output_tokens - 1, 1)
    return Replayed(row, float(np.mean(first)), float(np.mean(after)))
