"""What expressions evaluate to, and the blocks that are looked up in while they do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from moec.diagnostics import Span
from moec.dsl.meaning.surface import canonical, surface_name
from moec.dsl.text import ast
from moec.dsl.units import Dimension, describe_dimension


class Absent(Enum):
    """Two ways of having no value: nobody gave one, or one was given and its mistake has been reported."""

    UNSET = "unset"
    FAILED = "failed"


UNSET = Absent.UNSET
FAILED = Absent.FAILED


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in SI with its dimension."""

    value: int | float
    dimension: Dimension


@dataclass(frozen=True, slots=True)
class Identifier:
    """A member of a closed set, such as `fp8`."""

    text: str


@dataclass(frozen=True, slots=True)
class TextValue:
    """A string, with the unit that it was written in: a path in it is relative to that."""

    text: str
    unit: Unit


@dataclass(eq=False, slots=True)
class Unit:
    """One file: its statements by name, and the files it uses.

    `named` is the path as the user would write it, `directory` where its relative paths start. A `--set` is a unit of
    its own in the working directory, whose names are those of its `home`.
    """

    named: str
    directory: Path
    tree: ast.File
    library: bool = False
    definitions: dict[str, ast.Definition] = field(default_factory=dict)
    namespaces: dict[str, Unit] = field(default_factory=dict)
    home: Unit | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """Where an expression stands: in `field` of `record`, inside the block that `outer` is, in file `unit`."""

    unit: Unit
    record: Record | None = None
    field: str = ""
    outer: Scope | None = None

    def inside(self) -> Scope:
        """The scope of a block written here: it may look at every field of the record, this one too."""
        return Scope(self.unit, self.record, "", self.outer)


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One block's worth of fields, of which later layers override the earlier ones' field by field."""

    block: ast.Block
    scope: Scope
    fields: Mapping[str, ast.Field]


def layer_of(cls: type, block: ast.Block, scope: Scope) -> Layer:
    """The layer of a block written in `scope`, its fields under the schema's names."""
    return Layer(block, scope, {canonical(cls, f.name.text): f for f in block.fields})


@dataclass(eq=False, slots=True)
class Record:
    """A block: layers of fields for a class of the schema, each field evaluated when first asked for.

    Amending makes a new record with one more layer, in which all is evaluated anew: that is what makes copies
    late-bound. `name` is the definition's, empty for anonymous blocks; `head` is what to point at for the whole.
    """

    cls: type
    layers: tuple[Layer, ...]
    head: Span | None = None
    name: str = ""
    values: dict[str, Value] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What the language calls such a block."""
        return surface_name(self.cls)

    @property
    def damaged(self) -> bool:
        """Whether the parser left out a field, so that nothing can be said to be missing."""
        return any(layer.block.damaged for layer in self.layers)

    def amended(self, block: ast.Block, scope: Scope) -> Record:
        """A late-bound copy with the fields of `block` on top."""
        return Record(self.cls, (*self.layers, layer_of(self.cls, block, scope)), self.head, self.name)


@dataclass(frozen=True, slots=True)
class RangeValue:
    """`start..stop by step`."""

    start: Quantity
    stop: Quantity
    step: Quantity


Value = Quantity | Identifier | TextValue | bool | tuple[object, ...] | RangeValue | Record | Unit | Absent


def describe(value: Value) -> str:
    """A value in a sentence: `takes a node, this is …`."""
    match value:
        case Quantity():
            return describe_dimension(value.dimension)
        case Identifier():
            return f"the name `{value.text}`"
        case TextValue():
            return "a string"
        case bool():
            return "true or false"
        case tuple():
            return "a list"
        case RangeValue():
            return "a range"
        case Record():
            return f"a `{value.kind}`"
        case Unit():
            return "a file"
        case Absent():
            return "nothing"
