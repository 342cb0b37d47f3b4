"""What expressions evaluate to, and the blocks that are looked up in while they do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from moec.diagnostics import Span
from moec.dsl.meaning.surface import canonical
from moec.dsl.schema import surface_name
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
    definitions: dict[tuple[str, str], ast.Definition] = field(default_factory=dict)
    namespaces: dict[str, Unit] = field(default_factory=dict)
    home: Unit | None = None

    def called(self, name: str) -> list[ast.Definition]:
        """The definitions of that name, at most one of each kind."""
        return [definition for (_, called), definition in self.definitions.items() if called == name]


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


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """Blocks on top of each other, each sharing those below it with all copies of them.

    `given`: of each field what counts, its last assignment and the nested blocks on top of it, with their layers.
    """

    top: Layer | None = None
    below: Layers | None = None
    given: Mapping[str, tuple[tuple[Layer, ast.Field], ...]] = field(default_factory=dict)
    damaged: bool = False

    def __bool__(self) -> bool:
        return self.top is not None

    def __iter__(self) -> Iterator[Layer]:
        """From the top down."""
        here: Layers | None = self
        while here is not None and here.top is not None:
            yield here.top
            here = here.below

    def under(self, layer: Layer) -> Layers:
        """These with `layer` on top."""
        given = dict(self.given)
        for name, entry in layer.fields.items():
            before = given.get(name, ()) if isinstance(entry, ast.Nest) else ()
            given[name] = (*before, (layer, entry))
        return Layers(layer, self, given, self.damaged or layer.block.damaged)

    def last(self, name: str) -> ast.Field | None:
        """What the topmost layer that gives the field says."""
        found = self.given.get(name)
        return found[-1][1] if found else None


@dataclass(eq=False, slots=True)
class Record:
    """A block: layers of fields for a class of the schema, each field evaluated when first asked for.

    Amending makes a new record with one more layer, in which all is evaluated anew: that is what makes copies
    late-bound. `name` is the definition's, empty for anonymous blocks; `head` is what to point at for the whole.
    """

    cls: type
    layers: Layers = field(default_factory=Layers)
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
        return self.layers.damaged

    def amended(self, block: ast.Block, scope: Scope) -> Record:
        """A late-bound copy with the fields of `block` on top."""
        return Record(self.cls, self.layers.under(layer_of(self.cls, block, scope)), self.head, self.name)


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
