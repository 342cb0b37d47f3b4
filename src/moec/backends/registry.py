"""How an experiment's backend is made: who times its graphs."""

from __future__ import annotations

from dataclasses import fields, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from moec.backends.base import Backend
from moec.backends.fast.backend import FastBackend
from moec.backends.guarded import GuardedBackend
from moec.diagnostics import Diagnostic, Refused
from moec.dsl.schema import AstraOptions, AstraSystem, Experiment, FastOptions, surface_name
from moec.registry import BACKENDS, GROUPS, find, maker, names

if TYPE_CHECKING:
    from moec.backends.astra.folders import FolderTimer

FOLDER_TIMERS: dict[str, str] = {
    "fast": "moec.backends.astra.folder_replay:time_compiled",
    "astra_sim": "moec.backends.astra.simulator.folder_timing:time_compiled",
}
"""Backends that time compiled traces as they stand in a folder -> `module:function`, a `FolderTimer`."""


def fast(experiment: Experiment) -> Backend:
    """The fast estimator, on the network model that the experiment asks for."""
    asked = experiment.backend
    if isinstance(asked, FastOptions) and isinstance(asked.network, AstraSystem):
        from moec.backends.astra.estimator import AstraEstimator  # few runs need it and what it needs of ASTRA-sim

        return AstraEstimator(experiment, asked.network)
    return FastBackend.of(experiment)


def astra_sim(experiment: Experiment) -> Backend:
    """The user's ASTRA-sim."""
    from moec.backends.astra.simulator.backend import AstraSimBackend  # and all that writes traces and reads its output

    asked = experiment.backend
    return AstraSimBackend.of(experiment, asked if isinstance(asked, AstraOptions) else AstraOptions())


def backend_of(experiment: Experiment) -> Backend:
    """The backend that `experiment.backend` asks for. Refused when another package's cannot be made."""
    name = surface_name(type(experiment.backend))
    made: Backend = maker(BACKENDS, name)(experiment)
    return made if name in GROUPS[BACKENDS].built_in else GuardedBackend(made, name)


def timed_by(experiment: Experiment, name: str) -> tuple[Experiment | None, list[Diagnostic]]:
    """The experiment with the options of backend `name`: its own where it names it, else the defaults and its routing."""
    if surface_name(type(experiment.backend)) == name:
        return experiment, []
    try:
        options, found = _default_options(name)
    except Refused as refused:
        return None, list(refused.diagnostics)
    if options is None:
        return None, found
    if any(f.name == "routing" for f in fields(options)):
        options = replace(options, routing="drawn" if experiment.drawn else "expected")
    return replace(experiment, backend=options), []


def _default_options(name: str) -> tuple[Any, list[Diagnostic]]:
    ours: dict[str, type] = {"fast": FastOptions, "astra_sim": AstraOptions}
    if name in ours:
        return ours[name](), []
    plugin = find(BACKENDS, name)
    if plugin is None:
        known = ", ".join(f"`{other}`" for other in sorted(names(BACKENDS)))
        return None, [Diagnostic("M198", f"there is no backend `{name}`", help=f"known backends: {known}")]
    try:
        return plugin.options(), []
    except TypeError:
        help = f"name it in the file, with its options: `backend = {name}(…)`"
        return None, [Diagnostic("M198", f"backend `{name}` has options without a default", help=help)]


def folder_timer_named(name: str) -> tuple[FolderTimer | None, list[Diagnostic]]:
    """What times compiled traces for backend `name`, loaded now; an error when it cannot."""
    if name in FOLDER_TIMERS:
        module, _, attribute = FOLDER_TIMERS[name].partition(":")
        return getattr(import_module(module), attribute), []
    known = names(BACKENDS)
    if name not in known:
        listed = ", ".join(f"`{other}`" for other in sorted(known))
        return None, [Diagnostic("M198", f"there is no backend `{name}`", help=f"known backends: {listed}")]
    able = " or ".join(f"`--backend {other}`" for other in FOLDER_TIMERS)
    title = f"backend `{name}` times specifications, but not traces that are already compiled"
    return None, [Diagnostic("M198", title, help=f"{able} takes a folder; `{name}` takes the .moe file")]
