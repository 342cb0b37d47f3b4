"""What each field of the schema accepts, read from its annotation."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from moec import registry
from moec.dsl.schema import surface_name
from moec.dsl.schema.fields import NAME
from moec.dsl.text.wording import RESERVED
from moec.dsl.units import NUMBER, Dimension


@dataclass(frozen=True, slots=True)
class Shape:
    """The union of what a field takes: a number of a dimension, a truth, a path, an identifier, one of some blocks.

    `text` is a path, unless it is `plain`. `open_to`: the entry-point group in which packages add blocks.
    """

    optional: bool = False
    dimension: Dimension | None = None
    whole: bool = False
    truth: bool = False
    text: bool = False
    plain: bool = False
    choices: tuple[str, ...] = ()
    variants: Mapping[str, type] = dataclasses.field(default_factory=dict)
    open_to: str = ""

    @property
    def only(self) -> type | None:
        """The class of a field that is always the same block, such as `scheduler { … }`."""
        closed = len(self.variants) == 1 and not self.choices and not self.open_to
        return next(iter(self.variants.values())) if closed else None

    def has(self, name: str) -> bool:
        """Whether a block of that name may be written: ours, or an installed package's."""
        return name in self.variants or (bool(self.open_to) and registry.installed(self.open_to, name))

    def variant(self, name: str) -> type | None:
        """The class of that name: ours, or an installed package's. Refused when the package's cannot be used."""
        if name in self.variants or not self.open_to:
            return self.variants.get(name)
        added = registry.find(self.open_to, name)
        if added is None:
            return None
        try:
            taken = [option for option in shapes_of(added.options) if option.upper() in RESERVED]
        except (TypeError, NameError) as error:
            raise registry.unusable(self.open_to, name, f"has an option of no known type: {error}") from error
        if taken:
            raise registry.unusable(self.open_to, name, f"has the option `{taken[0]}`, a word of the language")
        return added.options

    def accepts(self, cls: type) -> bool:
        """Whether a block of that class is a value of the field."""
        added = registry.named(cls)
        return cls in self.variants.values() or (added is not None and added[0] == self.open_to)

    @property
    def known(self) -> tuple[str, ...]:
        """The names that may be written, those of installed packages included."""
        added = registry.names(self.open_to) if self.open_to else []
        return tuple(dict.fromkeys((*self.variants, *added)))


@cache
def shapes_of(cls: type) -> dict[str, Shape]:
    """Field name -> shape, in the order of declaration, without the internal ones."""
    hints = get_type_hints(cls, include_extras=True)
    return {
        f.name: dataclasses.replace(_shape(hints[f.name]), open_to=f.metadata.get("open_to", ""))
        for f in dataclasses.fields(cls)
        if not f.metadata.get("internal")
    }


@cache
def fields_of(cls: type) -> dict[str, dataclasses.Field[Any]]:
    """Field name -> dataclass field, without the internal ones."""
    return {f.name: f for f in dataclasses.fields(cls) if not f.metadata.get("internal")}


def required(field: dataclasses.Field[Any]) -> bool:
    """Whether the user has to give the field."""
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _shape(annotation: Any) -> Shape:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _merged([_shape(member) for member in get_args(annotation)])
    if origin is Annotated:
        base, *extras = get_args(annotation)
        dimension = next((extra for extra in extras if isinstance(extra, Dimension)), None)
        shape = dataclasses.replace(_shape(base), plain=NAME in extras)
        return dataclasses.replace(shape, dimension=dimension) if dimension is not None else shape
    if origin is Literal:
        return Shape(choices=get_args(annotation))
    return _plain(annotation)


def _plain(annotation: Any) -> Shape:
    if annotation is type(None):
        return Shape(optional=True)
    if annotation is bool:
        return Shape(truth=True)
    if annotation is int or annotation is float:
        return Shape(dimension=NUMBER, whole=annotation is int)
    if annotation is str:
        return Shape(text=True)
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        return Shape(variants={surface_name(annotation): annotation})
    raise TypeError(f"the schema uses {annotation!r}, which the language has no value for")


def _merged(shapes: list[Shape]) -> Shape:
    return Shape(
        optional=any(s.optional for s in shapes),
        dimension=next((s.dimension for s in shapes if s.dimension is not None), None),
        whole=any(s.whole for s in shapes),
        truth=any(s.truth for s in shapes),
        text=any(s.text for s in shapes),
        plain=any(s.plain for s in shapes),
        choices=tuple(c for s in shapes for c in s.choices),
        variants={name: cls for s in shapes for name, cls in s.variants.items()},
    )
