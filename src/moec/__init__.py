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
    from moec.backends.astra.replay.run import time_traces
    from moec.backends.astra.replay.timing import Refused, Timing
    from moec.diagnostics import Diagnostic, Report
    from moec.diagnostics.render import render
    from moec.dsl.load import load
    from moec.dsl.schema import Experiment
    from moec.dsl.schema.fields import spec
    from moec.registry import Plugin
    from moec.report.metrics import summary
    from moec.run.session import Session, open_session, simulate
    from moec.serving.results import Results

__all__ = [
    "Diagnostic",
    "Experiment",
    "Plugin",
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
    "spec",
    "summary",
    "time_traces",
]

_HOMES = {
    "Diagnostic": "moec.diagnostics",
    "Experiment": "moec.dsl.schema",
    "Plugin": "moec.registry",
    "Refused": "moec.backends.astra.replay.timing",
    "Report": "moec.diagnostics",
    "Results": "moec.serving.results",
    "Session": "moec.run.session",
    "Timing": "moec.backends.astra.replay.timing",
    "load": "moec.dsl.load",
    "open_session": "moec.run.session",
    "render": "moec.diagnostics.render",
    "simulate": "moec.run.session",
    "spec": "moec.dsl.schema.fields",
    "summary": "moec.report.metrics",
    "time_traces": "moec.backends.astra.replay.run",
}
"""Where each public name lives; modules are imported when a name of theirs is first used."""


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'moec' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
