"""How many requests run and wait over time, in both runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.arrays import Floats
from moec.study.validation.compare import Comparison
from moec.study.validation.series import Series

TICK_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Requests at every tick: name -> `[ticks]`. `logged_*` is the engine's own log, where the run has one."""

    t: Floats
    columns: dict[str, Floats]

    def distance(self, name: str) -> float:
        """The mean over ticks of |simulated − recorded|, in requests."""
        return float(np.abs(self.columns[f"{name}_simulated"] - self.columns[f"{name}_recorded"]).mean())


def curves_of(comparison: Comparison, series: Series | None) -> Curves:
    """Running are requests from their scheduling (their first token, where that is not known) to their last token.

    Waiting are those that arrived and do not run yet. A log's clock begins with the run, give or take a tick.
    """
    end = max(comparison.recorded.last.max(), comparison.simulated.last.max())
    t = np.arange(0.0, np.ceil(end) + TICK_S, TICK_S)
    columns: dict[str, Floats] = {}
    known = comparison.recorded.scheduled is not None
    for side, stamps in (("recorded", comparison.recorded), ("simulated", comparison.simulated)):
        began = stamps.scheduled if known and stamps.scheduled is not None else stamps.first
        columns[f"running_{side}"] = _between(t, began, stamps.last)
        columns[f"waiting_{side}"] = _between(t, stamps.arrival, began)
    if series is not None:
        columns["running_logged"] = np.interp(t, series.t, series.running, left=0, right=0)
        columns["waiting_logged"] = np.interp(t, series.t, series.waiting, left=0, right=0)
    order = ("running", "waiting")
    sides = ("recorded", "simulated", *(("logged",) if series is not None else ()))
    return Curves(t, {f"{name}_{side}": columns[f"{name}_{side}"] for name in order for side in sides})


def _between(t: Floats, begin: Floats, end: Floats) -> Floats:
    """How many requests are between the two stamps at every tick."""
    begun, ended = (np.searchsorted(np.sort(x), t, side="right") for x in (begin, end))
    return (begun - ended).astype(float)
