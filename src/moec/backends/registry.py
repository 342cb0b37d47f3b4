"""Which backends there are: the built-in ones by literal path, others by entry point."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol

from moec.backends.base import Backend
from moec.diagnostics import Diagnostic
from moec.dsl.schema import Experiment

if TYPE_CHECKING:
    from moec.backends.astra.folders import FolderTimer

ENTRY_POINTS = "moec.backends"
BACKENDS: dict[str, str] = {
    "fast": "moec.backends.fast.backend:FastBackend",
    "astra_sim": "moec.backends.astra.simulator.backend:AstraSimBackend",
}
"""Name -> `module:class`, read without looking at installed packages."""


FOLDER_TIMERS: dict[str, str] = {
    "fast": "moec.backends.astra.folder_replay:time_compiled",
    "astra_sim": "moec.backends.astra.simulator.folder_timing:time_compiled",
}
"""Backends that time compiled traces as they stand in a folder -> `module:function`, a `FolderTimer`."""


class BackendClass(Protocol):
    """What a backend's entry point names."""

    def of(self, experiment: Experiment) -> Backend:
        """The backend for an experiment's cluster."""
        ...


def backend_named(name: str) -> tuple[BackendClass | None, list[Diagnostic]]:
    """The backend called `name`, loaded now; an error that lists the known ones when there is none."""
    if name in BACKENDS:
        module, _, attribute = BACKENDS[name].partition(":")
        return getattr(import_module(module), attribute), []
    others = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if name in others:
        return others[name].load(), []
    known = ", ".join(f"`{other}`" for other in sorted({*BACKENDS, *others}))
    return None, [Diagnostic("M198", f"there is no backend `{name}`", help=f"known backends: {known}")]


def folder_timer_named(name: str) -> tuple[FolderTimer | None, list[Diagnostic]]:
    """What times compiled traces for backend `name`, loaded now; an error when it cannot."""
    if name in FOLDER_TIMERS:
        module, _, attribute = FOLDER_TIMERS[name].partition(":")
        return getattr(import_module(module), attribute), []
    chosen, found = backend_named(name)
    if chosen is None:
        return None, found
    able = " or ".join(f"`--backend {other}`" for other in FOLDER_TIMERS)
    title = f"backend `{name}` times specifications, but not traces that are already compiled"
    return None, [Diagnostic("M198", title, help=f"{able} takes a folder; `{name}` takes the .moe file")]
