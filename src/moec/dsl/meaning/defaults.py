"""What a field is worth that nobody gave."""

from __future__ import annotations

from dataclasses import MISSING

from moec.dsl.meaning.shapes import fields_of, shapes_of
from moec.dsl.meaning.values import UNSET, Identifier, Quantity, Record, Value
from moec.dsl.units import NUMBER


def has_value(record: Record, field: str) -> bool:
    """Whether a field is given or has a default value."""
    given = field in record.layers.given
    return given or default_value(record.cls, field) is not UNSET


def default_value(cls: type, name: str) -> Value:
    """The value of a field that nobody gave."""
    field = fields_of(cls)[name]
    if field.default_factory is not MISSING:
        made = field.default_factory()
        return Record(type(made))
    default = field.default
    if default is MISSING or default is None:
        return UNSET
    if isinstance(default, bool):
        return default
    if isinstance(default, int | float):
        return Quantity(default, shapes_of(cls)[name].dimension or NUMBER)
    return Identifier(str(default))
