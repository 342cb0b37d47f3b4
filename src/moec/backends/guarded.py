"""A backend of another package: what it raises is a diagnostic that names the package."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moec.backends.base import Backend, StepTimer, StepTimes, Timing
from moec.compiler.ir.batch import Load
from moec.compiler.ir.graph import Graph
from moec.compiler.lower import Context
from moec.diagnostics import Diagnostic
from moec.registry import BACKENDS, guarded, wrong

METHODS = ("run", "run_many", "notes", "steps")


class GuardedBackend:
    """`backend`, the plug-in called `name`; what else it has (see `ExplainsExchanges`) is its own."""

    def __init__(self, backend: Backend, name: str) -> None:
        missing = [method for method in METHODS if not callable(getattr(backend, method, None))]
        if missing:
            raise wrong(BACKENDS, name, f"has no `{missing[0]}`")
        self._backend, self._name = backend, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._backend, attribute)

    def run(self, graph: Graph, *, detail: bool = True) -> Timing:
        """See `Backend`."""
        timing: Timing = guarded(BACKENDS, self._name, lambda: self._backend.run(graph, detail=detail))()
        return timing

    def run_many(self, graphs: Iterable[Graph]) -> list[Timing]:
        """See `Backend`."""
        timings: list[Timing] = guarded(BACKENDS, self._name, self._backend.run_many)(graphs)
        return timings

    def notes(self, context: Context) -> list[Diagnostic]:
        """See `Backend`."""
        return list(guarded(BACKENDS, self._name, self._backend.notes)(context))

    def steps(self, context: Context) -> StepTimer:
        """See `Backend`."""
        return GuardedTimer(guarded(BACKENDS, self._name, self._backend.steps)(context), self._name)


class GuardedTimer:
    """A timer of such a backend."""

    def __init__(self, timer: StepTimer, name: str) -> None:
        self._timer, self._name = timer, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._timer, attribute)

    def times(self, load: Load) -> StepTimes:
        """See `StepTimer`."""
        times = guarded(BACKENDS, self._name, self._timer.times)(load)
        if not isinstance(times, StepTimes):
            raise wrong(BACKENDS, self._name, f"gave {type(times).__name__} as the times of iterations")
        return times
