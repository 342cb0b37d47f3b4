"""`--set path=value`: amendments of an experiment, written on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from moec.dsl.meaning.values import Record, Scope, Unit
from moec.dsl.sources import Sources
from moec.dsl.text import ast
from moec.dsl.text.parser import parse_setting
from moec.dsl.text.tree import join


def amend(experiment: Record, overrides: Sequence[str], unit: Unit, sources: Sources) -> Record:
    """`experiment` with each override as one more layer; later ones win. Names are looked up as in `unit`.

    Paths of files in an override are relative to the working directory.
    """
    for i, text in enumerate(overrides, 1):
        named = "--set" if len(overrides) == 1 else f"--set {i}"
        sources.texts[named] = text
        setting, found = parse_setting(text, named)
        sources.diagnostics += found
        if setting is not None:
            here = Unit(named, Path.cwd(), unit.tree, home=unit)
            experiment = experiment.amended(_block(*setting), Scope(here))
    return experiment


def _block(path: ast.Path, value: ast.Expr) -> ast.Block:
    """`a.b.c = value` as `{ a { b { c = value } } }`."""
    span = join(path.span, value.span)
    field: ast.Field = ast.Assign(path.parts[-1], value, span)
    for name in reversed(path.parts[:-1]):
        field = ast.Nest(name, ast.Block((field,), False, span), span)
    return ast.Block((field,), False, span)
