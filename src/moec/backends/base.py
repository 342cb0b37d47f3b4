"""What a backend is: from a graph to a timing, and from loads to the times of iterations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from moec.arrays import Array
from moec.compiler.ir.batch import Load
from moec.compiler.ir.graph import Graph
from moec.compiler.lower import Context
from moec.diagnostics import Diagnostic


@dataclass(frozen=True, slots=True, eq=False)
class OpTiming:
    """When one op ran, in nanoseconds: `[…, repeats shown, ranks]`. Later repeats follow at `period_ns` `[…, ranks]`.

    `ready_ns`: when the op could have started on a rank; members of an exchange then wait for the last of them. `source`: the
    evidence level of a communication's time, where the backend has more than a model of it.
    """

    block: int
    op: int
    start_ns: Array
    end_ns: Array
    ready_ns: Array | None = None
    period_ns: Array | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """How long a graph took.

    `makespan_ns` `[…]`; `finish_ns` `[…, world]`; `exposed_ns` `[…]`: makespan less the compute time of the busiest
    rank; `ops`: one entry per op where asked for.
    """

    makespan_ns: Array
    finish_ns: Array
    exposed_ns: Array
    ops: tuple[OpTiming, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class StepTimes:
    """Times of consecutive iterations: `latency_ns` `[steps]`, `stage_ns` `[steps, pp]`, both int64."""

    latency_ns: Array
    stage_ns: Array


@dataclass(frozen=True, slots=True)
class Tally:
    """How a timer came by the times of a run's iterations.

    `simulated` had a run of their own, `reused` the graph of one that had, `estimated` neither. `ratios`: simulated over
    estimated time of those that were not estimated, in their order; empty when nothing was.
    """

    simulated: int
    reused: int
    estimated: int
    ratios: tuple[float, ...] = ()


@runtime_checkable
class Tallied(Protocol):
    """A timer that does not time every iteration alike."""

    def tally(self) -> Tally:
        """Of all iterations timed so far."""
        ...


class StepTimer(Protocol):
    """Times iterations of one instance for the serving loop."""

    def times(self, load: Load) -> StepTimes:
        """Device time of each iteration; the load's fields broadcast to `[steps, dp]`, none of them empty in all."""
        ...


class Backend(Protocol):
    """Registered under the entry-point group `moec.backends`."""

    def run(self, graph: Graph, *, detail: bool = True) -> Timing:
        """The timing of one graph; without `detail`, no per-op times."""
        ...

    def run_many(self, graphs: Iterable[Graph]) -> list[Timing]:
        """The timings of several graphs, without per-op times."""
        ...

    def notes(self, context: Context) -> list[Diagnostic]:
        """What this backend cannot express of an experiment: warnings, and errors where it could not run at all."""
        ...

    def steps(self, context: Context) -> StepTimer:
        """A timer of iterations for the serving loop."""
        ...
