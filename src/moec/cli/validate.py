"""`moec validate`: simulated serving against measured serving."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from moec.cli.console import fail
from moec.cli.options import Json
from moec.dsl.diagnostics import Diagnostic, Report

WAVES = 4
"""Requests for each one in flight that are enough: ten give the same errors to a point (docs/silicon.md)."""


def validate(
    target: Annotated[
        str, typer.Argument(metavar="silicon", help="The measurements to compare with.", show_default=False)
    ],
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
    """Compare simulated with measured serving.

    `silicon`: the serving runs that the package aiconfigurator-core carries, replayed with its kernel tables.
    """
    if target != "silicon":
        title = f"there is nothing to validate called `{target}`"
        return fail(Report((Diagnostic("M090", title, help="`moec validate silicon`"),)), as_json=as_json)
    if force and output is None:
        return fail(
            Report((Diagnostic("M090", "`--force` without `-o`", help="name the folder: `-o DIR`"),)), as_json=as_json
        )
    from moec.cli.validate_silicon import validate_silicon

    return validate_silicon(
        gpus=gpu or (), models=model or (), engines=engine or (), limit=limit, waves=waves, tokens=tokens, anyway=anyway, jobs=jobs,
        output=output, force=force, as_json=as_json, quiet=quiet,
    )  # fmt: skip
