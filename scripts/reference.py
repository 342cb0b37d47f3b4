#!/usr/bin/env python3
"""Writes the tables of docs/language.md and docs/architecture.md; `--check` only compares.

The language's come from the schema, the units and the diagnostic codes, the architecture's from the packages' first sentences.
"""

from __future__ import annotations

import ast
import dataclasses
import sys
from pathlib import Path

from moec.diagnostics.codes import CODES
from moec.dsl.meaning.later import later_choices, later_fields
from moec.dsl.meaning.shapes import Shape, fields_of, required, shapes_of
from moec.dsl.meaning.surface import ALIASES, KINDS
from moec.dsl.schema import surface_name
from moec.dsl.units import BASE, NUMBER, TOKENS, UNITS, describe_dimension, shown

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = tuple(ROOT / "docs" / name for name in ("language.md", "architecture.md"))


def main() -> int:
    """0 when the documents are up to date or have been written, 1 when `--check` finds that one is not."""
    code = 0
    for document in DOCUMENTS:
        old = document.read_text(encoding="utf-8")
        new = renewed(old)
        if "--check" not in sys.argv[1:]:
            document.write_text(new, encoding="utf-8")
        elif new != old:
            print(f"docs/{document.name} is not what the source says; run scripts/reference.py")
            code = 1
    return code


def renewed(text: str) -> str:
    """`text` with the parts between `<!-- begin NAME -->` and `<!-- end NAME -->` made anew."""
    for name, made in {"units": units, "kinds": kinds, "codes": codes, "packages": packages}.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        if begin not in text:
            continue
        content = made()
        before, _, rest = text.partition(begin)
        after = rest.partition(end)[2]
        text = f"{before}{begin}\n{content}\n{end}{after}"
    return text


def packages() -> str:
    """The table of packages, each with the first sentence of its docstring, in the order of the tree."""
    source = ROOT / "src" / "moec"
    folders = [file.parent for file in sorted(source.rglob("__init__.py"), key=lambda file: file.parent.parts)]
    lines = ["| package | what it knows |", "| --- | --- |"]
    for folder in folders[1:]:
        said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
        first = said.split("\n\n")[0].replace("\n", " ")
        lines.append(f"| `{folder.relative_to(source).as_posix()}/` | {first} |")
    return "\n".join(lines)


def units() -> str:
    """The table of units by dimension."""
    lines = ["| dimension | units |", "| --- | --- |"]
    for dimension in BASE:
        names = " ".join(f"`{unit}`" for unit, (_, of) in UNITS.items() if of == dimension)
        lines.append(f"| {describe_dimension(dimension)} | {names} |")
    return "\n".join(lines)


def codes() -> str:
    """The table of diagnostic codes."""
    return "\n".join(["| code | says |", "| --- | --- |", *(f"| `{code}` | {says} |" for code, says in CODES.items())])


def kinds() -> str:
    """One section for each kind, followed by the blocks and variants in it."""
    seen: set[type] = set(KINDS.values())
    return "\n\n".join(_section(cls, f"### `{kind}`", seen) for kind, cls in KINDS.items())


def _section(cls: type, title: str, seen: set[type]) -> str:
    doc = (cls.__doc__ or "").split("\n\n")[0].replace("\n    ", " ")
    parts = [f"{title}\n\n{doc}"]
    if shapes_of(cls):
        rows = [_row(cls, name, shape) for name, shape in shapes_of(cls).items()]
        parts.append("\n".join(["| field | takes | default | |", "| --- | --- | --- | --- |", *rows]))
    later = _later(cls)
    if later:
        parts.append(f"Not simulated yet: {later}.")
    for name, shape in shapes_of(cls).items():
        for variant, inner in shape.variants.items():
            if inner not in seen:
                seen.add(inner)
                heading = f"`{name} {{ … }}`" if shape.only is not None else f"`{name} = {variant}(…)`"
                parts.append(_section(inner, f"#### {surface_name(cls)}: {heading}", seen))
    return "\n\n".join(parts)


def _row(cls: type, name: str, shape: Shape) -> str:
    field = fields_of(cls)[name]
    names = [name, *(alias for alias, of in ALIASES.get(cls, {}).items() if of == name)]
    doc = str(field.metadata["doc"]).replace("|", "\\|")
    bounds = _bounds(field, shape)
    return f"| {', '.join(f'`{n}`' for n in names)} | {_takes(shape)}{bounds} | {_default(cls, field, shape)} | {doc} |"


def _takes(shape: Shape) -> str:
    parts = []
    if shape.dimension is not None:
        plain = "a whole number" if shape.whole else "a number"
        parts.append(plain if shape.dimension == NUMBER else describe_dimension(shape.dimension))
    parts += ["`true` or `false`"] * shape.truth + ["a path in quotes"] * shape.text
    parts += [f"`{choice}`" for choice in shape.choices]
    for variant, cls in shape.variants.items():
        kind = cls in KINDS.values()
        parts.append(f"a `{variant}`" if kind else "a block" if shape.only is not None else f"`{variant}(…)`")
    return ", ".join(parts)


def _bounds(field: dataclasses.Field[object], shape: Shape) -> str:
    words = {"at_least": "at least", "above": "above", "at_most": "at most"}
    dimension = shape.dimension or NUMBER
    found = [
        f"{word} {shown(field.metadata[b], dimension)}" for b, word in words.items() if field.metadata[b] is not None
    ]
    # Lengths, rates and the like say by themselves that they are not negative.
    return f"; {', '.join(found)}" if found and dimension in (NUMBER, TOKENS) else ""


def _default(cls: type, field: dataclasses.Field[object], shape: Shape) -> str:
    if required(field):
        return "**required**"
    if field.default is None:
        return "none"
    if field.default_factory is not dataclasses.MISSING:
        made = type(field.default_factory())
        return "its defaults" if shape.only is not None else f"`{surface_name(made)}()`"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    if isinstance(field.default, int | float):
        return f"`{shown(field.default, shape.dimension or NUMBER)}`"
    return f"`{field.default}`"


def _later(cls: type) -> str:
    names = [f"`{name}`" for name in later_fields(cls)]
    for field in shapes_of(cls):
        names += [f"`{field} = {choice}`" for choice in later_choices(cls, field)]
    return ", ".join(names)


if __name__ == "__main__":
    sys.exit(main())
