"""`moec validate silicon`: measured serving runs replayed with `costs = silicon(…)`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from moec.cli.console import FINE, fail, note, say, say_json
from moec.cli.ending import target_faults
from moec.cli.options import Json
from moec.diagnostics import Diagnostic, Report

if TYPE_CHECKING:
    from moec.study.silicon.rows import Row
    from moec.study.silicon.study import Progress

WAVES = 4
"""Requests for each one in flight that are enough: ten give the same errors to a point (docs/silicon.md)."""


def validate_silicon(
    gpu: Annotated[
        list[str] | None,
        typer.Option("--gpu", metavar="NAME", help="Only rows of this GPU; may be repeated.", show_default=False),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME", help="Only rows of this model; may be repeated.", show_default=False),
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option("--engine", metavar="NAME", help="Only rows of this engine; may be repeated.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=1, help="Replay at most N rows, evenly chosen.", show_default=False),
    ] = None,
    waves: Annotated[
        int, typer.Option("--waves", metavar="N", min=3, help="Requests simulated for each one in flight.")
    ] = WAVES,
    tokens: Annotated[
        Literal["balanced", "power_law"], typer.Option("--tokens", help="How tokens met experts in the kernel tables.")
    ] = "balanced",
    anyway: Annotated[
        bool,
        typer.Option(
            "--anyway", help="Also rows that do not tell how the engine was started: as if with its defaults."
        ),
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", metavar="N", min=1, help="Processes; as many as processors by default.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Write every row and the scores there.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace results that moec wrote to DIR before.")] = False,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> int:
    """Replay the serving runs that aiconfigurator-core carries.

    With its kernel tables; says the error per model, GPU and engine, and why a row was left out.
    """
    from moec.dsl.load import load_text
    from moec.report.output_folder import write_folder
    from moec.report.style import as_text
    from moec.study.silicon.score_tables import study_report
    from moec.study.silicon.study import study
    from moec.study.silicon.study_files import study_files, summary

    rows, problems = _rows(gpu or (), model or (), engine or ())
    problems += target_faults(output, force=force)
    if problems:
        return fail(Report(tuple(problems)), as_json=as_json)
    workers = jobs or os.cpu_count() or 1
    with _bar(quiet=quiet or as_json) as progress:
        found = study(
            rows, load_text, waves=waves, limit=limit, jobs=workers, tokens=tokens, anyway=anyway, progress=progress
        )
    figures = summary(found, {"waves": waves, "tokens": tokens, "settings_not_told": anyway})
    if output is not None and (problems := write_folder(output, study_files(found, figures), force=force)):
        return fail(Report(tuple(problems)), as_json=as_json)
    if as_json:
        say_json(figures)
    elif not quiet:
        say(as_text(study_report(found)))
    if output is not None and not as_json:
        note(f"results in {output}")
    return FINE


def _rows(gpus: Sequence[str], models: Sequence[str], engines: Sequence[str]) -> tuple[list[Row], list[Diagnostic]]:
    from moec.compiler.costs.silicon.package import EXTRA, systems
    from moec.study.silicon.rows import read_rows
    from moec.study.silicon.study import chosen

    root = systems()
    if root is None:
        title = "the measurements of `silicon` are not installed"
        return [], [Diagnostic("M661", title, help=f"`pip install '{EXTRA}'`")]
    everything = read_rows(root)
    rows = chosen(everything, gpus, models, engines)
    if rows:
        return rows, []
    mixtures = chosen(everything, (), (), ())
    there = (sorted({getattr(row, name) for row in mixtures}) for name in ("gpu", "engine", "model"))
    help = "; ".join(
        f"{what}: {', '.join(names)}" for what, names in zip(("GPUs", "engines", "models"), there, strict=True)
    )
    return [], [Diagnostic("M090", "no measured row fits this choice", help=help)]


@contextmanager
def _bar(*, quiet: bool) -> Iterator[Progress]:
    """A count of rows on stderr, where somebody watches."""
    shown = not quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def show(done: int, total: int) -> None:
        if shown:
            sys.stderr.write(f"\r{done:,} of {total:,} rows")
            sys.stderr.flush()

    yield show
    if shown:
        sys.stderr.write("\r\x1b[K")
