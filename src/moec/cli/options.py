"""The options that several verbs share, and what they are for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[Path, typer.Argument(metavar="FILE", help="The .moe file.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Name = Annotated[
    str | None,
    typer.Option("--experiment", metavar="NAME", help="Which experiment of the file.", show_default=False),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a field; may be repeated.", show_default=False),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", min=0, help="Seed of everything that draws.", show_default=False),
]
BackendName = Annotated[
    str | None,
    typer.Option(
        "--backend", metavar="NAME", help="Who times the iterations; the file's when absent.", show_default=False
    ),
]
AstraSim = Annotated[
    str | None,
    typer.Option("--astra-sim", metavar="PATH", help="The ASTRA-sim binary, or its folder.", show_default=False),
]
