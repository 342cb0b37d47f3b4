"""`moec simulate`: serve the workload, or time compiled traces, and report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moec.cli.console import FINE, diagnostics_json, fail, note_report, say_json
from moec.cli.ending import Ending
from moec.cli.options import AstraSim, BackendName, Json, Name, Seed, Set
from moec.cli.progress import progress_bar
from moec.diagnostics import Report

if TYPE_CHECKING:
    from moec.cli.outcome import Outcome


def simulate(
    file: Annotated[
        Path, typer.Argument(metavar="FILE|DIR", help="The .moe file, or what compile wrote.", show_default=False)
    ],
    backend: BackendName = None,
    astra_sim: AstraSim = None,
    every: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="With astra_sim: run every N-th iteration, estimate the others.",
            show_default=False,
        ),
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=1, help="With astra_sim: the longest that a run may take.", show_default=False
        ),
    ] = None,
    overrides: Set = None,
    seed: Seed = None,
    experiment: Name = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Write summary, requests, iterations and manifest there."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace results that moec wrote to DIR before.")] = False,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no table.")] = False,
) -> int:
    """Serve FILE's workload: latency, throughput; or time DIR's traces.

    Also: whether the goals were met, and what held requests back. A folder that `moec compile` wrote is timed as it is.
    """
    asked = Asked(backend, astra_sim, every, time_limit, tuple(overrides or ()), seed, experiment)
    end = Ending(output, force, as_json, quiet)
    if file.is_dir():
        return _time(file, asked, end)
    return _serve(file, asked, end) if (found := _misplaced(file)) is None else fail(found, as_json=as_json)


def _misplaced(file: Path) -> Report | None:
    """What to say of a file of a compiled folder in place of the folder."""
    if file.suffix not in (".json", ".et"):
        return None
    from moec.cli.verbs.simulate_folder import within

    found = within(file)
    return None if found is None else Report((found,))


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for besides the file."""

    backend: str | None
    astra_sim: str | None
    every: int | None
    time_limit: float | None
    overrides: tuple[str, ...]
    seed: int | None
    experiment: str | None


def _serve(file: Path, asked: Asked, end: Ending) -> int:
    from moec.cli.loading import session_of, with_more
    from moec.cli.outcome import Outcome
    from moec.run.session import simulate as run

    session, report = session_of(
        file,
        experiment=asked.experiment,
        overrides=asked.overrides,
        seed=asked.seed,
        backend=asked.backend,
        binary=asked.astra_sim,
        every=asked.every,
        time_limit=asked.time_limit,
    )
    report = with_more(report, end.check())
    if session is None or report.failed:
        return fail(report, as_json=end.as_json)
    if not end.as_json:
        note_report(report)
    with progress_bar(quiet=end.quiet or end.as_json) as progress:
        results, late = run(session, progress)
    said = replace(report, diagnostics=tuple(late))
    if results is None:
        return fail(said, as_json=end.as_json)
    if not end.as_json:
        note_report(said)
    return _finish(Outcome.of(session, results, asked.overrides, (*report.diagnostics, *late)), end)


def _time(place: Path, asked: Asked, end: Ending) -> int:
    from moec.cli.loading import unlike_astra
    from moec.cli.verbs.simulate_folder import time_folder, unfit
    from moec.dsl.schema import AstraOptions

    name = (asked.backend or "fast").replace("-", "_")
    given = {
        "--every": asked.every is not None,
        "--set": bool(asked.overrides),
        "--seed": asked.seed is not None,
        "--experiment": asked.experiment is not None,
    }
    simulators = {"--astra-sim": asked.astra_sim, "--time-limit": asked.time_limit}
    wrong = [*unfit(place, given), *unlike_astra(name, simulators), *end.check()]
    if wrong:
        return fail(Report(tuple(wrong)), as_json=end.as_json)
    options = AstraOptions(binary=asked.astra_sim)
    if asked.time_limit is not None:
        options = replace(options, time_limit=asked.time_limit)
    return time_folder(place, name, options, end)


def _finish(outcome: Outcome, end: Ending) -> int:
    """Files first, so that what is printed is also what was written."""
    problems = outcome.write(end.output, force=end.force) if end.output is not None else []
    if problems:
        return fail(Report(tuple(problems)), as_json=end.as_json)
    if end.as_json:
        say_json({**outcome.summary, "diagnostics": diagnostics_json(outcome.warnings)})
    elif not end.quiet:
        outcome.show(end.output)
    return FINE
