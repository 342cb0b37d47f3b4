"""How long an iteration may take before the clock of a run can no longer hold it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.backends.base import StepTimer, StepTimes
from moec.compiler.ir.batch import Load
from moec.compiler.ir.graph import LONGEST_NS
from moec.diagnostics import Diagnostic
from moec.dsl.schema import Experiment
from moec.serving.requests.formats.request_trace import MOST_NS


@dataclass(slots=True)
class Overrun:
    """Whether an iteration of a run took longer than `LONGEST_NS`."""

    passed: bool = False


@dataclass(slots=True)
class Bounded:
    """A timer whose iterations last less than `LONGEST_NS`; `overrun` is told when one of `timer` does not."""

    timer: StepTimer
    overrun: Overrun

    def times(self, load: Load) -> StepTimes:
        """See `StepTimer`."""
        times = self.timer.times(load)
        lowest, highest = times.latency_ns.min(), times.latency_ns.max()
        if lowest >= 0 and highest < LONGEST_NS:
            return times
        self.overrun.passed = True
        return StepTimes(np.clip(times.latency_ns, 0, LONGEST_NS), np.clip(times.stage_ns, 0, LONGEST_NS))


def beyond_clock(experiment: Experiment, overrun: Overrun) -> Diagnostic:
    """M513: times beyond what a run can count in nanoseconds."""
    title = f"the run takes more than {MOST_NS / 3.15576e16:.0f} years"
    if overrun.passed:
        title = f"an iteration takes more than {LONGEST_NS / 3.6e12:.1f} hours"
    help = "look at the units of `bandwidth`, `compute` and `latency`; `moec explain` shows which ops take how long"
    return Diagnostic("M513", title, experiment.span("cluster"), "on this cluster", help=help)
