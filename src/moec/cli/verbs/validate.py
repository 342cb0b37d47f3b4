"""`moec validate`: simulate what a real engine has run, and say how far off that is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moec.cli.console import FINE, OUT_OF_BANDS, diagnostics_json, fail, note, note_report, say, say_json
from moec.cli.ending import target_faults
from moec.cli.options import BackendName, File, Json, Name, Seed, Set
from moec.diagnostics import Report

if TYPE_CHECKING:
    from moec.run.session import Session
    from moec.study.validation.outputs import Validation
    from moec.study.validation.recorded import Recorded


def validate(
    file: File,
    against: Annotated[
        Path, typer.Option("--against", metavar="DIR", help="The recorded run: requests.jsonl.", show_default=False)
    ],
    band: Annotated[
        list[str] | None,
        typer.Option("--band", metavar="NAME=PERCENT", help="Another limit for a verdict.", show_default=False),
    ] = None,
    backend: BackendName = None,
    overrides: Set = None,
    seed: Seed = None,
    experiment: Name = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Write figures, requests and curves there.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace results that moec wrote to DIR before.")] = False,
    as_json: Json = False,
) -> int:
    """Serve FILE's workload and compare it with a real engine's run of it.

    Leaves with 4 when the run is further off than a band allows.
    """
    from moec.cli.loading import session_of, with_more
    from moec.study.validation.recorded import read_run
    from moec.study.validation.verdict import bands_of

    session, report = session_of(file, experiment=experiment, overrides=overrides or (), seed=seed, backend=backend)
    run, found, texts = read_run(against)
    bands, wrong = bands_of(band or ())
    report = with_more(replace(report, sources={**report.sources, **texts}), [*found, *wrong])
    report = with_more(report, target_faults(output, force=force))
    if session is None or run is None or report.failed:
        return fail(report, as_json=as_json)
    made, report = _simulated(session, run, bands, report)
    if made is None:
        return fail(report, as_json=as_json)
    return _finish(made, report, output, force, overrides or (), as_json)


def _simulated(
    session: Session, run: Recorded, bands: dict[str, float], report: Report
) -> tuple[Validation | None, Report]:
    from moec.cli.loading import with_more
    from moec.run.session import simulate
    from moec.study.validation.compare import compare
    from moec.study.validation.match import match
    from moec.study.validation.outputs import Validation
    from moec.study.validation.queue_curves import curves_of
    from moec.study.validation.verdict import verdict

    if session.stream is None:
        return None, with_more(report, simulate(session)[1])
    rows, found = match(run, session.stream, session.experiment)
    report = with_more(report, found)
    if rows is None:
        return None, report
    results, late = simulate(session)
    report = with_more(report, late)
    if results is None:
        return None, report
    compared = compare(run, rows, results, session.experiment.serving.overhead.admission)
    curves = curves_of(compared, run.series)
    return Validation(session.experiment, run, results, compared, curves, verdict(compared, bands)), report


def _finish(
    made: Validation,
    report: Report,
    output: Path | None,
    force: bool,
    overrides: list[str] | tuple[str, ...],
    as_json: bool,
) -> int:
    from moec.report.output_folder import write_folder
    from moec.report.style import as_text
    from moec.study.validation.outputs import files_of, report_of, summary_of

    if output is not None and (problems := write_folder(output, files_of(made, overrides), force=force)):
        return fail(Report(tuple(problems)), as_json=as_json)
    if as_json:
        say_json({**summary_of(made), "diagnostics": diagnostics_json(report.diagnostics)})
    else:
        note_report(report)
        say(as_text(report_of(made)))
        if output is not None:
            note(f"results in {output}")
    return FINE if made.met else OUT_OF_BANDS
