"""`moec simulate`: serve the workload and report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moec.cli.console import FINE, diagnostics_json, fail, note_report, say_json
from moec.cli.options import AstraSim, BackendName, File, Json, Name, Seed, Set
from moec.cli.progress import progress_bar
from moec.dsl.diagnostics import Diagnostic, Report

if TYPE_CHECKING:
    from moec.cli.outcome import Outcome


def simulate(
    file: File,
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
    """Serve FILE's workload: latency, throughput.

    Also: whether the goals were met, and what held requests back.
    """
    from moec.cli.loading import session_of, with_more
    from moec.cli.outcome import Outcome
    from moec.report.folder import check_target
    from moec.session import simulate as run

    session, report = session_of(
        file,
        experiment=experiment,
        overrides=overrides or (),
        seed=seed,
        backend=backend,
        binary=astra_sim,
        every=every,
    )
    if output is not None:
        report = with_more(report, check_target(output, force=force))
    elif force:
        report = with_more(report, [Diagnostic("M090", "`--force` without `-o`", help="name the folder: `-o DIR`")])
    if session is None or report.failed:
        return fail(report, as_json=as_json)
    if not as_json:
        note_report(report)
    with progress_bar(quiet=quiet or as_json) as progress:
        results, late = run(session, progress)
    if results is None:
        return fail(replace(report, diagnostics=tuple(late)), as_json=as_json)
    if not as_json:
        note_report(replace(report, diagnostics=tuple(late)))
    return _finish(
        Outcome.of(session, results, overrides or (), (*report.diagnostics, *late)), output, force, as_json, quiet
    )


def _finish(outcome: Outcome, output: Path | None, force: bool, as_json: bool, quiet: bool) -> int:
    """Files first, so that what is printed is also what was written."""
    problems = outcome.write(output, force=force) if output is not None else []
    if problems:
        return fail(Report(tuple(problems)), as_json=as_json)
    if as_json:
        say_json({**outcome.summary, "diagnostics": diagnostics_json(outcome.warnings)})
    elif not quiet:
        outcome.show(output)
    return FINE
