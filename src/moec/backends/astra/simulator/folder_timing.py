"""Compiled iterations timed by the simulator as they stand: its files are linked to, never written again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from moec.backends.astra.folders import Compiled, Timed
from moec.backends.astra.simulator.find import find
from moec.backends.astra.simulator.run_folder import TraceFolder
from moec.backends.astra.simulator.runner import Outcome, run_many
from moec.diagnostics import Diagnostic
from moec.dsl.schema import AstraOptions


def time_compiled(iterations: Sequence[Compiled], options: AstraOptions) -> tuple[list[Timed], list[Diagnostic]]:
    """A `FolderTimer`: one run for each, on the binary that its configurations are for.

    Errors are of all iterations that failed, each with the folder it is about.
    """
    timed: list[Timed] = []
    errors: list[Diagnostic] = []
    for congestion, some in groupby(iterations, key=lambda one: one.congestion):
        binary, found = find(congestion or options.congestion, options.binary)
        if binary is None:
            return [], found
        alike = list(some)
        folders = [TraceFolder(one.folder, one.name, one.files) for one in alike]
        outcomes = run_many(folders, binary.path, time_limit_s=options.time_limit)
        for one, outcome in zip(alike, outcomes, strict=True):
            done, about = _judged(one, outcome, str(binary.path))
            errors += about
            timed += done
    return ([], errors) if errors else (timed, [])


def _judged(one: Compiled, outcome: Outcome, tool: str) -> tuple[list[Timed], list[Diagnostic]]:
    done, found = outcome
    if done is None:
        where = one.folder.name
        more = f"`moec trace lint {one.folder / one.name}` may say why"
        placed = [d if where in d.title else replace(d, title=f"{where}: {d.title}") for d in found]
        return [], [d if d.help else replace(d, help=more) for d in placed]
    finish, exposed = done.finish_ns[: one.ranks], done.exposed_ns[: one.ranks]
    return [Timed(one, finish, exposed, done.wall_s, tool)], []
