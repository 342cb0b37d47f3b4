"""Whether a value is what its field accepts: type, dimension, wholeness, range."""

from __future__ import annotations

import dataclasses
from typing import Any

from moec.diagnostics import Diagnostic, Span
from moec.diagnostics.nearest import did_you_mean, listed
from moec.dsl.meaning.arithmetic import is_count
from moec.dsl.meaning.shapes import Shape, shapes_of
from moec.dsl.meaning.values import Identifier, Quantity, Record, TextValue, Value, describe
from moec.dsl.schema.fields import MOST
from moec.dsl.units import EXAMPLES, NUMBER, Dimension, describe_dimension, shown


def number(value: Quantity, shape: Shape, field: dataclasses.Field[Any], at: Span) -> int | float | Diagnostic:
    """The plain number of a quantity, in SI, or what is wrong with it."""
    assert shape.dimension is not None
    name = field.name
    if value.dimension != shape.dimension and not (value.dimension == NUMBER and is_count(shape.dimension)):
        return _wrong_dimension(value, shape.dimension, name, at)
    if shape.whole and value.value != int(value.value):
        whole = f"{int(value.value)}` or `{int(value.value) + 1}"
        return Diagnostic("M207", f"`{name}` is a whole number, this is {value.value:g}", at, help=f"write `{whole}`")
    plain = int(value.value) if shape.whole else float(value.value)
    return out_of_range(plain, shape.dimension, field, at) or plain


def _wrong_dimension(value: Quantity, wanted: Dimension, name: str, at: Span) -> Diagnostic:
    example = EXAMPLES.get(wanted, "")
    if value.dimension == NUMBER:
        title = f"`{name}` is {describe_dimension(wanted)} and needs a unit"
        return Diagnostic("M203", title, at, "a bare number", help=f"write a unit, as in `{example}`")
    title = f"`{name}` is {describe_dimension(wanted)}, this is {describe_dimension(value.dimension)}"
    if wanted == NUMBER:
        return Diagnostic("M202", title, at, help="write it without a unit")
    return Diagnostic("M202", title, at, help=f"write {describe_dimension(wanted)}, as in `{example}`")


def out_of_range(value: float, dimension: Dimension, field: dataclasses.Field[Any], at: Span) -> Diagnostic | None:
    """What is wrong with a number outside the bounds of its field."""
    least, above, most = (field.metadata.get(bound) for bound in ("at_least", "above", "at_most"))
    if most is None and isinstance(value, int):
        most = MOST
    if least is not None and value < least:
        limit, help = f"at least {shown(least, dimension)}", f"`{field.name} = {shown(least, dimension)}` is the least"
    elif above is not None and value <= above:
        limit, help = (
            f"above {shown(above, dimension)}",
            f"write {describe_dimension(dimension)} above {shown(above, dimension)}",
        )
    elif most is not None and value > most:
        limit, help = f"at most {shown(most, dimension)}", f"`{field.name} = {shown(most, dimension)}` is the most"
    else:
        return None
    title = f"`{field.name}` is {shown(value, dimension)}, it must be {limit}"
    return Diagnostic("M204", title, at, field.metadata["doc"], help=help)


def wrong_type(value: Value, shape: Shape, name: str, at: Span) -> Diagnostic:
    """What to say of a value that the field has no use for."""
    if isinstance(value, Record) and shape.variants:
        title = f"`{name}` takes {takes(shape)}, this is a `{value.kind}`"
        return Diagnostic("M210", title, at, help=_wrap(value, shape, name))
    if isinstance(value, Identifier) and shape.choices:
        title = f"`{name}` has no `{value.text}`"
        return Diagnostic("M109", title, at, help=did_you_mean(value.text, shape.choices, listing="it takes"))
    title = f"`{name}` takes {takes(shape)}, this is {describe(value)}"
    return Diagnostic("M201", title, at, help=_how(value, shape, name))


def _wrap(value: Record, shape: Shape, name: str) -> str:
    """Where the wrong block could go inside the right one."""
    for cls in shape.variants.values():
        for field, inner in shapes_of(cls).items():
            if value.cls in inner.variants.values():
                return f"write `{name} {{ {field} = {value.name or '…'}, … }}`"
    return f"write {_variants(shape, name)}"


def _how(value: Value, shape: Shape, name: str) -> str:
    if shape.plain:
        return 'a name is written in quotes: `"prompt_len"`'
    if shape.text:
        return 'a path is written in quotes: `"requests.csv"`'
    if shape.choices:
        if isinstance(value, TextValue) and value.text in shape.choices:
            return f"write `{value.text}` without quotes"
        return f"write one of them, as in `{name} = {shape.choices[0]}`"
    if shape.variants:
        return f"write {_variants(shape, name)}"
    if shape.truth:
        return "write `true` or `false`"
    if shape.dimension is not None:
        return f"write {describe_dimension(shape.dimension)}, as in `{EXAMPLES.get(shape.dimension, '8')}`"
    return ""


def _variants(shape: Shape, name: str) -> str:
    if shape.only is not None:
        return f"`{name} {{ … }}`"
    ours = [f"{variant}({'…' if shapes_of(cls) else ''})" for variant, cls in shape.variants.items()]
    return listed([*ours, *(f"{name}(…)" for name in shape.known if name not in shape.variants)])


def takes(shape: Shape) -> str:
    """What a field accepts, in a sentence."""
    parts = []
    if shape.dimension is not None:
        whole = shape.whole and shape.dimension == NUMBER
        parts.append("a whole number" if whole else describe_dimension(shape.dimension))
    if shape.truth:
        parts.append("`true` or `false`")
    if shape.text:
        parts.append("a name in quotes" if shape.plain else "a path in quotes")
    if shape.choices:
        parts.append(f"one of {listed(shape.choices)}")
    if shape.variants:
        only = next(iter(shape.variants))
        parts.append(f"a `{only}`" if shape.only is not None else f"one of {listed(shape.known)}")
    return " or ".join(parts)
