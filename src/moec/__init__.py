"""moec: a declarative compiler and simulator for serving Mixture-of-Experts language models.

    import moec

    experiment, report = moec.load("examples/quickstart.moe")
    session, found = moec.open_session(experiment)
    results, found = moec.simulate(session)
    print(moec.summary(results)["median_ttft_ms"])

Mistakes in a specification are values: functions return what they made (None when they could not) and what they have
to say about it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from moec.version import VERSION as __version__

if TYPE_CHECKING:
    from moec.backends.fast.replay.run import time_traces
    from moec.backends.fast.replay.timing import Refused, Timing
    from moec.dsl.diagnostics import Diagnostic, Report
    from moec.dsl.load import load
    from moec.dsl.render import render
    from moec.dsl.schema import Experiment
    from moec.report.metrics import summary
    from moec.serving.results import Results
    from moec.session import Session, open_session, simulate

__all__ = [
    "Diagnostic",
    "Experiment",
    "Refused",
    "Report",
    "Results",
    "Session",
    "Timing",
    "__version__",
    "load",
    "open_session",
    "render",
    "simulate",
    "summary",
    "time_traces",
]

_HOMES = {
    "Diagnostic": "moec.dsl.diagnostics",
    "Experiment": "moec.dsl.schema",
    "Refused": "moec.backends.fast.replay.timing",
    "Report": "moec.dsl.diagnostics",
    "Results": "moec.serving.results",
    "Session": "moec.session",
    "Timing": "moec.backends.fast.replay.timing",
    "load": "moec.dsl.load",
    "open_session": "moec.session",
    "render": "moec.dsl.render",
    "simulate": "moec.session",
    "summary": "moec.report.metrics",
    "time_traces": "moec.backends.fast.replay.run",
}
"""Where each public name lives; modules are imported when a name of theirs is first used."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'moec' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
