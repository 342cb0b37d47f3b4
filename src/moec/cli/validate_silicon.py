"""`moec validate silicon`: measured serving runs replayed with `costs = silicon(…)`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from moec.cli.console import FINE, fail, note, say, say_json
from moec.dsl.diagnostics import Diagnostic, Report

if TYPE_CHECKING:
    from moec.validation.silicon.rows import Row
    from moec.validation.silicon.study import Progress


def validate_silicon(
    *,
    gpus: Sequence[str],
    models: Sequence[str],
    engines: Sequence[str],
    limit: int | None,
    waves: int,
    tokens: str,
    anyway: bool,
    jobs: int | None,
    output: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Compare, print, write; the exit code."""
    from moec.report.folder import check_target, write_folder
    from moec.report.style import as_text
    from moec.validation.silicon.files import study_files, summary
    from moec.validation.silicon.study import study
    from moec.validation.silicon.tables import study_report

    rows, problems = _rows(gpus, models, engines)
    if output is not None:
        problems += check_target(output, force=force)
    if problems:
        return fail(Report(tuple(problems)), as_json=as_json)
    workers = jobs or os.cpu_count() or 1
    with _bar(quiet=quiet or as_json) as progress:
        found = study(rows, waves=waves, limit=limit, jobs=workers, tokens=tokens, anyway=anyway, progress=progress)
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
    from moec.validation.silicon.rows import read_rows
    from moec.validation.silicon.study import chosen

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
