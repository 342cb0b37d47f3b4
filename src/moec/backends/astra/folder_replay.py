"""Compiled iterations timed without a simulator: the replay of `moec trace time` on each folder's files."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np

from moec.backends.astra.files.reading import Unreadable
from moec.backends.astra.folders import Compiled, Timed
from moec.backends.astra.lint.settings import Settings, beside
from moec.backends.astra.replay.run import replay_files
from moec.backends.astra.replay.setup import Files, Options
from moec.backends.astra.replay.timing import Refused
from moec.diagnostics import Diagnostic
from moec.dsl.schema import AstraOptions

REFUSED, UNUSABLE = "M607", "M602"
"""ASTRA-sim would not finish; a folder lacks what a run needs."""
TOOL = "the replay of `moec trace time`"


def time_compiled(iterations: Sequence[Compiled], options: AstraOptions) -> tuple[list[Timed], list[Diagnostic]]:
    """A `FolderTimer`: each as the binary would time it that its configurations are for (aware where nothing says which)."""
    timed: list[Timed] = []
    found: list[Diagnostic] = []
    for one in iterations:
        done, about = _time(one, options)
        found += about
        timed += done
    return timed, found


def _time(one: Compiled, options: AstraOptions) -> tuple[list[Timed], list[Diagnostic]]:
    began = perf_counter()
    prefix = str(one.folder / one.name)
    files = beside(prefix, Settings())
    if files.system is None or files.network is None:
        lacking = "system.json" if files.system is None else "network.yml"
        return [], [
            Diagnostic(UNUSABLE, f"`{one.folder}` has no `{lacking}`", help="`moec compile` writes whole folders")
        ]
    congestion = one.congestion or ("unaware" if options.congestion == "unaware" else "aware")
    try:
        timing = replay_files(
            Files(prefix, files.system, files.network, files.memory, files.groups), Options(congestion)
        )
    except Unreadable as error:
        return [], [Diagnostic(UNUSABLE, str(error))]
    except Refused as refused:
        return [], [Diagnostic(REFUSED, f"{one.folder.name}: {refused}", help=f"`moec trace lint {prefix}` says more")]
    notes = [Diagnostic(REFUSED, f"{one.folder.name}: {note}", severity="warning") for note in timing.notes]
    finish, exposed = (
        np.array(values[: one.ranks], dtype=np.int64) for values in (timing.finish_ns, timing.exposed_ns)
    )
    return [Timed(one, finish, exposed, perf_counter() - began, f"{TOOL} ({congestion})")], notes
