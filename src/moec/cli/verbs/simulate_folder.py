"""`moec simulate DIR`: compiled traces timed as they are."""

from __future__ import annotations

import re
from pathlib import Path

from moec.backends.astra.folders import MANIFEST, NOT_COMPILED, compiled_in
from moec.backends.registry import folder_timer_named
from moec.cli.console import FINE, diagnostics_json, fail, note, note_report, say, say_json
from moec.cli.ending import Ending
from moec.diagnostics import Diagnostic, Report, has_errors
from moec.dsl.schema import AstraOptions
from moec.report.output_folder import write_folder
from moec.report.style import as_text
from moec.report.timed import timed_files, timed_json, timed_report


def time_folder(place: Path, backend: str, options: AstraOptions, end: Ending) -> int:
    """Times every iteration in `place` on `backend`, prints and writes; the exit code."""
    iterations, found = compiled_in(place)
    if not iterations:
        return fail(Report(tuple(found)), as_json=end.as_json)
    timer, about_timer = folder_timer_named(backend)
    clash = [] if end.output is None else _clash(place, end.output)
    report = Report((*found, *about_timer, *clash))
    if timer is None or report.failed:
        return fail(report, as_json=end.as_json)
    if not end.as_json:
        note_report(report)
    timed, late = timer(iterations, options)
    found = [*found, *late]
    if not has_errors(late) and end.output is not None:
        late += write_folder(end.output, timed_files(place, backend, timed, found), force=end.force)
    if has_errors(late):
        return fail(Report(tuple(late)), as_json=end.as_json)
    if not end.as_json:
        note_report(Report(tuple(late)))
    if end.as_json:
        say_json({**timed_json(place, backend, timed), "diagnostics": diagnostics_json(tuple(found))})
    elif not end.quiet:
        say(as_text(timed_report(backend, timed)))
        if end.output is not None:
            note(f"results in {end.output}")
    return FINE


def within(file: Path) -> Diagnostic | None:
    """What to say of a file of a compiled folder, of which the folder is what can be timed."""
    if file.suffix == ".et" and file.is_file():
        prefix = re.sub(r"\.\d+\Z", "", str(file.with_suffix("")))
        title = f"`{file}` is the trace of one rank, and the folder of all of them is what can be timed"
        help = f"`moec simulate {file.parent}`, or `moec trace time {prefix}` with configuration files from elsewhere"
        return Diagnostic(NOT_COMPILED, title, help=help)
    if file.name == MANIFEST and file.is_file() and compiled_in(file.parent)[0]:
        title = f"`{file}` lists compiled iterations, and their folder is what can be timed"
        return Diagnostic(NOT_COMPILED, title, help=f"`moec simulate {file.parent}`")
    return None


def unfit(place: Path, given: dict[str, bool]) -> list[Diagnostic]:
    """Options that change or choose a specification have nothing to do with a compiled folder."""
    wrong = [f"`{name}`" for name, is_given in given.items() if is_given]
    if not wrong:
        return []
    title = f"{' and '.join(wrong)} cannot change `{place}`, which is compiled"
    return [Diagnostic("M090", title, help="give the option to `moec compile`, or give the .moe file")]


def _clash(place: Path, output: Path) -> list[Diagnostic]:
    """Results must not replace the traces that they are of."""
    source, target = place.resolve(), output.resolve()
    if source != target and source not in target.parents and not (target in source.parents and _owns(target)):
        return []
    title = f"`-o {output}` would write into, or in place of, the traces in `{place}`"
    return [Diagnostic("M090", title, help="name another folder")]


def _owns(target: Path) -> bool:
    """Whether the folder above the traces is moec's, so that `--force` would replace it with them in it."""
    return (target / MANIFEST).is_file()
