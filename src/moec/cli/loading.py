"""From a command line to a session, with all mistakes of all stages in one report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from moec.diagnostics import Diagnostic, Report
from moec.dsl.load import check_file, load
from moec.run.session import ASTRA_SIM, FAST, Session, astra_options, backend_named, open_session


def session_of(
    file: Path,
    *,
    experiment: str | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    backend: str | None = None,
    binary: str | None = None,
    every: int | None = None,
    time_limit: float | None = None,
) -> tuple[Session | None, Report]:
    """The session and everything there is to say, in source order.

    `backend` instead of the specification's; `binary`, `every` and `time_limit` (seconds) are for ASTRA-sim, and wrong with
    another.
    """
    loaded, report = load(file, experiment=experiment, overrides=tuple(overrides), seed=seed)
    if loaded is None or report.failed:
        return None, report
    name = (backend or backend_named(loaded)).replace("-", "_")
    if wrong := unlike_astra(name, {"--astra-sim": binary, "--every": every, "--time-limit": time_limit}):
        return None, with_more(report, wrong)
    asked = astra_options(loaded)
    asked = replace(asked, binary=binary, every=every or asked.every, time_limit=time_limit or asked.time_limit)
    session, found = open_session(loaded, name, asked)
    return session, with_more(report, found)


def unlike_astra(backend: str, options: Mapping[str, object]) -> list[Diagnostic]:
    """An error when `options`, which are for ASTRA-sim, are given (not None) with another backend."""
    given = [f"`{name}`" for name, value in options.items() if value is not None]
    if backend == ASTRA_SIM or not given:
        return []
    title = f"{' and '.join(given)} {'are' if len(given) > 1 else 'is'} for the simulator, not for backend `{backend}`"
    return [Diagnostic("M090", title, help="add `--backend astra_sim`")]


def check_sessions(file: Path) -> tuple[list[Session], Report]:
    """A session for every experiment of the file that is sound, and everything that is wrong with any of them.

    Nothing is timed, so they need no simulator.
    """
    experiments, report = check_file(file)
    opened = [open_session(experiment, FAST) for experiment in experiments]
    found = dict.fromkeys(diagnostic for _, some in opened for diagnostic in some)
    return [session for session, _ in opened if session is not None], with_more(report, tuple(found))


def with_more(report: Report, found: Sequence[Diagnostic]) -> Report:
    """The report with further diagnostics, in source order; those without a place in text come first."""
    everything = [*report.diagnostics, *found]
    files = {name: number for number, name in enumerate(report.sources)}

    def place(d: Diagnostic) -> tuple[int, int, int]:
        return (-1, 0, 0) if d.span is None else (files.get(d.span.file, len(files)), d.span.line, d.span.column)

    return replace(report, diagnostics=tuple(sorted(everything, key=place)))
