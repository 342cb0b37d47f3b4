"""`moec compile`: write the traces of chosen iterations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moec.cli.console import FINE, diagnostics_json, fail, note_report, say, say_json
from moec.cli.options import File, Json, Name, Seed, Set
from moec.diagnostics import Diagnostic, Report, has_errors

if TYPE_CHECKING:
    from moec.dsl.schema import AstraOptions
    from moec.run.session import Session
    from moec.run.traces import Chosen

ENCODINGS, CONGESTIONS = ("custom", "sendrecv", "padded"), ("aware", "unaware")


def compile(
    file: File,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Where the folders go.", show_default=False)
    ],
    iterations: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Which, say 0,10..20; one of each phase when absent.", show_default=False),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Skewed all-to-alls: custom (the default), sendrecv or padded.", show_default=False
        ),
    ] = None,
    congestion: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Configurations for: aware (the default) or unaware.", show_default=False),
    ] = None,
    splits: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Chunks of a collective.", show_default=False)
    ] = None,
    overrides: Set = None,
    seed: Seed = None,
    experiment: Name = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what moec wrote to DIR before.")] = False,
    as_json: Json = False,
) -> int:
    """Write Chakra traces and ASTRA-sim configurations.

    A folder for each chosen iteration of the workload's serving run.
    """
    from moec.cli.loading import session_of, with_more
    from moec.report.output_folder import check_target

    numbers, wrong = _numbers(iterations)
    wrong += _among("--encoding", encoding, ENCODINGS) + _among("--congestion", congestion, CONGESTIONS)
    if wrong:
        return fail(Report(tuple(wrong)), as_json=as_json)
    session, report = session_of(file, experiment=experiment, overrides=overrides or (), seed=seed, backend="fast")
    report = with_more(report, check_target(output, force=force))
    if session is None or report.failed:
        return fail(report, as_json=as_json)
    from moec.run.traces import choose

    chosen, found = choose(session, numbers)
    if not chosen:
        return fail(with_more(report, found), as_json=as_json)
    options = _options(session.asked, encoding, congestion, splits)
    rows, notes, problems = _write(output, session, chosen, options, overrides or (), force=force)
    report = with_more(report, [*found, *notes, *problems])
    if report.failed:
        return fail(report, as_json=as_json)
    if as_json:
        say_json({"folder": str(output), "iterations": rows, "diagnostics": diagnostics_json(report.diagnostics)})
        return FINE
    note_report(report)
    for row in rows:
        say(f"{output / row['folder']}  {row['phase']}: {row['ranks']} ranks, {row['nodes']:,} nodes")
    return FINE


def _write(
    output: Path,
    session: Session,
    chosen: list[Chosen],
    options: AstraOptions,
    overrides: Any,
    *,
    force: bool,
) -> tuple[list[dict[str, Any]], list[Diagnostic], list[Diagnostic]]:
    """What was written, what the simulator cannot express, and why nothing could be written."""
    from moec.report.output_folder import fill_folder
    from moec.report.run_files import json_bytes, provenance
    from moec.run.traces import compile_into

    rows: list[dict[str, Any]] = []
    notes: list[Diagnostic] = []

    def fill(folder: Path) -> None:
        made, found = compile_into(folder, session, chosen, options)
        rows.extend(made)
        notes.extend(found)
        if has_errors(found):
            raise _Refused
        files = [f"{row['folder']}/{name}" for row in made for name in row["sha256"]]
        warnings = [d.title for d in found]
        manifest = {
            **provenance(session.experiment, overrides),
            "files": files,
            "warnings": warnings,
            "iterations": made,
        }
        (folder / "manifest.json").write_bytes(json_bytes(manifest))

    try:
        return rows, notes, fill_folder(output, fill, force=force)
    except _Refused:
        return [], notes, []


def _options(asked: AstraOptions, encoding: str | None, congestion: str | None, splits: int | None) -> AstraOptions:
    """What the specification asks, but for what the command line does; no binary is at hand that could decide."""
    from dataclasses import replace

    wanted = congestion or asked.congestion
    return replace(
        asked,
        encoding=encoding or asked.encoding,  # type: ignore[arg-type]
        congestion="aware" if wanted == "auto" else wanted,  # type: ignore[arg-type]
        splits=splits or asked.splits,
    )


class _Refused(Exception):
    """The traces cannot be expressed; the reasons are in the notes."""


def _numbers(text: str | None) -> tuple[list[int] | None, list[Diagnostic]]:
    """`0,10..20` as numbers, both ends included."""
    if text is None:
        return None, []
    numbers: list[int] = []
    for part in text.split(","):
        ends = part.strip().split("..")
        if len(ends) > 2 or not all(end.isdecimal() for end in ends) or int(ends[0]) > int(ends[-1]):
            title = f"`--iterations {text}`: `{part}` is neither a number nor a range"
            return None, [Diagnostic("M090", title, help="write `--iterations 0,10..20`")]
        numbers += range(int(ends[0]), int(ends[-1]) + 1)
    return numbers, []


def _among(option: str, value: str | None, known: tuple[str, ...]) -> list[Diagnostic]:
    if value is None or value in known:
        return []
    return [Diagnostic("M090", f"`{option} {value}` is unknown", help=f"one of {', '.join(f'`{k}`' for k in known)}")]
