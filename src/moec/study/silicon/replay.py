"""One row replayed: its experiment simulated, and its times beside the measured ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from moec.diagnostics import Report
from moec.dsl.schema import Experiment
from moec.run.session import Session, engines_of, open_session
from moec.serving.loop import serve
from moec.serving.results import RequestTable
from moec.study.silicon.recipes import unclear
from moec.study.silicon.rows import Row
from moec.study.silicon.specs import obstacle, specification

Load = Callable[[str, str], tuple[Experiment | None, Report]]
"""From a specification's text and what it is called to its experiment."""

WAVES = 10
"""Requests that the benchmark sent for each one in flight."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """A row with what moec says of it, means over the requests in milliseconds; or `why` it says nothing."""

    row: Row
    ttft_ms: float = float("nan")
    tpot_ms: float = float("nan")
    why: str = ""

    @property
    def tpot_error(self) -> float:
        """Simulated ÷ measured − 1; not a number without a prediction."""
        return self.tpot_ms / self.row.tpot_ms - 1

    @property
    def ttft_error(self) -> float:
        """The same of the time to first token."""
        return self.ttft_ms / self.row.ttft_ms - 1


def replay(row: Row, load: Load, waves: int, tokens: str = "balanced", *, anyway: bool = False) -> Replayed:
    """Simulate a row's run with `waves` requests for each one in flight, at least 3; `anyway`: also with settings not told."""
    why = obstacle(row) or (None if anyway else unclear(row))
    if why is not None:
        return Replayed(row, why=why)
    experiment, report = load(specification(row, waves, tokens), row.id)
    if experiment is None:
        raise ValueError("\n".join(d.title for d in report.diagnostics))  # our own text: a mistake of ours
    session, found = open_session(experiment)
    if session is None:
        return Replayed(row, why=f"memory: {next(d.title for d in found if d.severity == 'error')}")
    return _serve(row, session)


def _serve(row: Row, session: Session) -> Replayed:
    assert session.stream is not None, "the specification has a workload"
    engines = engines_of(session, session.backend.steps(session.prepared.context))
    results, found = serve(session.experiment, session.stream, engines, backend=session.backend_name)
    if results is None:
        return Replayed(row, why=f"memory: {next(d.title for d in found if d.severity == 'error')}")
    return Replayed(row, *_means(results.requests, row.concurrency))


def _means(t: RequestTable, concurrency: int) -> tuple[float, float]:
    """Means of the times to first and per output token, in milliseconds, as of ten waves.

    The first wave waits for itself, the last one runs out; a shorter run has more of both. So the requests of the waves in
    between count as often as if there were eight such waves.
    """
    wave = np.arange(len(t.arrival_ns)) // concurrency
    last = int(wave[-1])
    weight = np.where((wave == 0) | (wave == last), 1.0, (WAVES - 2) / max(last - 1, 1))
    first = (t.first_token_ns - t.arrival_ns) / 1e6
    after = (t.finish_ns - t.first_token_ns) / 1e6 / np.maximum(t.output_tokens - 1, 1)
    return float(np.average(first, weights=weight)), float(np.average(after, weights=weight))
