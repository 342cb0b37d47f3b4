"""How far a simulated run is from a recorded one, figure by figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Floats
from moec.serving.results import Results
from moec.study.validation.recorded import Recorded

STATISTICS = ("mean", "median", "p90", "p99")
LATENCIES = {
    "ttft": "time to first token",
    "ttft_queue": "time to first token, from the queue",
    "tpot": "time per output token",
    "latency": "end to end",
}
"""What is compared of every request, in the order of the report. `ttft` and `latency` begin with the arrival."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of both runs, in `unit`."""

    name: str
    unit: str
    recorded: float
    simulated: float

    @property
    def error(self) -> float:
        """Simulated over recorded, less one."""
        return self.simulated / self.recorded - 1 if self.recorded else float(self.simulated != self.recorded)


@dataclass(frozen=True, slots=True, eq=False)
class Each:
    """A latency of every request of both runs, in seconds and in the simulation's order; NaN where there is none."""

    recorded: Floats
    simulated: Floats

    @property
    def mape(self) -> float:
        """The mean over requests of |simulated ÷ recorded − 1|; 0 when no request has the latency."""
        errors = self.error[~np.isnan(self.error)]
        return float(np.abs(errors).mean()) if len(errors) else 0.0

    @property
    def error(self) -> Floats:
        """Per request, simulated ÷ recorded − 1."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.recorded > 0, self.simulated / self.recorded - 1, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Stamps:
    """When every request arrived, was queued, was scheduled, gave its first and its last token; in seconds."""

    arrival: Floats
    queued: Floats | None
    scheduled: Floats | None
    first: Floats
    last: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Both runs side by side. `output`: tokens per request."""

    recorded: Stamps
    simulated: Stamps
    output: NDArray[np.int64]
    each: dict[str, Each]
    figures: dict[str, Figure]


def compare(run: Recorded, rows: Sequence[int], results: Results, admission_s: float) -> Comparison:
    """`rows[i]`: where the simulation's request i stands in `run`."""
    order = np.array(rows)
    queued, scheduled = (None if x is None else x[order] for x in (run.queued, run.scheduled))
    theirs = Stamps(run.arrival[order], queued, scheduled, run.first[order], run.last[order])
    ours = _simulated(results, admission_s)
    output = results.requests.output_tokens
    each = _each(theirs, ours, output)
    figures = {
        f"{statistic}_{name}": _figure(f"{statistic}_{name}", "s", one, statistic)
        for name, one in each.items()
        for statistic in STATISTICS
    }
    return Comparison(theirs, ours, output, each, {**figures, **_volume(theirs, ours, output)})


def _simulated(results: Results, admission_s: float) -> Stamps:
    """Like a recorded run, from the first arrival on."""
    table = results.requests
    queued = _queued_ns(results, round(admission_s * 1e9))
    stamps = (table.arrival_ns, queued, table.scheduled_ns, table.first_token_ns, table.finish_ns)
    return Stamps(*((x - table.arrival_ns.min()) / 1e9 for x in stamps))


def _queued_ns(results: Results, admission_ns: int) -> NDArray[np.int64]:
    """When the engine takes a request from its input: as it comes, or when the iteration under way ends."""
    requests, iterations = results.requests, results.iterations
    entry = requests.arrival_ns + admission_ns
    queued = entry.copy()
    for instance in np.unique(requests.instance):
        own = iterations.instance == instance
        start, end = iterations.start_ns[own], iterations.end_ns[own]
        mine = requests.instance == instance
        at = np.minimum(np.searchsorted(end, entry[mine]), len(end) - 1)
        queued[mine] = np.where((start[at] < entry[mine]) & (end[at] >= entry[mine]), end[at], entry[mine])
    return np.minimum(queued, requests.scheduled_ns)


def _each(theirs: Stamps, ours: Stamps, output: NDArray[np.int64]) -> dict[str, Each]:
    after = np.where(output > 1, output - 1, np.nan)
    found = {"ttft": Each(theirs.first - theirs.arrival, ours.first - ours.arrival)}
    if theirs.queued is not None and ours.queued is not None:
        found["ttft_queue"] = Each(theirs.first - theirs.queued, ours.first - ours.queued)
    found["tpot"] = Each((theirs.last - theirs.first) / after, (ours.last - ours.first) / after)
    found["latency"] = Each(theirs.last - theirs.arrival, ours.last - ours.arrival)
    return found


def _figure(name: str, unit: str, each: Each, statistic: str) -> Figure:
    values = []
    for column in (each.recorded, each.simulated):
        there = column[~np.isnan(column)]
        if not len(there):
            values.append(0.0)
        elif statistic == "mean":
            values.append(float(there.mean()))
        else:
            values.append(float(np.percentile(there, {"median": 50, "p90": 90, "p99": 99}[statistic])))
    return Figure(name, unit, *values)


def _volume(theirs: Stamps, ours: Stamps, output: NDArray[np.int64]) -> dict[str, Figure]:
    spans = [float(s.last.max() - s.arrival.min()) for s in (theirs, ours)]
    tokens = int(output.sum())
    return {
        "makespan": Figure("makespan", "s", *spans),
        "output_throughput": Figure("output_throughput", "tokens/s", *(tokens / s for s in spans)),
        "request_throughput": Figure("request_throughput", "requests/s", *(len(output) / s for s in spans)),
    }
