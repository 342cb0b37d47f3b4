"""What a `.moe` text says, before anything in it has a meaning."""

from __future__ import annotations

from dataclasses import dataclass

from moec.diagnostics import Span


@dataclass(frozen=True, slots=True)
class Name:
    """One identifier."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written; `unit` is empty for a bare one."""

    value: int | float
    unit: str
    span: Span


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string. In JSON a string may also be an expression of the language: `code`."""

    value: str
    span: Span
    code: Expr | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """`true` or `false`."""

    value: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Path:
    """`a.b.c`: a reference, or an identifier of a closed set."""

    parts: tuple[Name, ...]
    span: Span

    @property
    def text(self) -> str:
        """The path as written, without blanks."""
        return ".".join(part.text for part in self.parts)


@dataclass(frozen=True, slots=True)
class Argument:
    """`name: value`, or a positional value."""

    name: Name | None
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    """`zipf(exponent: 0.8)`."""

    callee: Path
    arguments: tuple[Argument, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Items:
    """`[a, b]`."""

    items: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Range:
    """`start..stop by step`, both ends included."""

    start: Expr
    stop: Expr
    step: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Negative:
    """`-x`."""

    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`, the operator one of `+ - * /`."""

    operator: str
    left: Expr
    right: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Amended:
    """`base { … }`: a variant with its fields, or an amended copy."""

    base: Path
    block: Block
    span: Span


Expr = Number | Text | Truth | Path | Call | Items | Range | Negative | Binary | Amended


@dataclass(frozen=True, slots=True)
class Assign:
    """`name = value`."""

    name: Name
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Nest:
    """`name { … }`: merges into what the field already is."""

    name: Name
    block: Block
    span: Span


@dataclass(frozen=True, slots=True)
class Labelled:
    """`field variant { … }`, or `kind name { … }` / `kind name = base { … }` inside a block."""

    name: Name
    label: Name
    base: Path | None
    block: Block | None
    span: Span


Field = Assign | Nest | Labelled


@dataclass(frozen=True, slots=True)
class Block:
    """`{ … }`. `damaged` when the parser had to leave a field out: then nothing is said to be missing."""

    fields: tuple[Field, ...]
    damaged: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Edition:
    """`moe 1`."""

    number: int
    span: Span


@dataclass(frozen=True, slots=True)
class Use:
    """`use "path" as alias`."""

    path: Text
    alias: Name | None
    span: Span


@dataclass(frozen=True, slots=True)
class Definition:
    """`kind name { … }` or `kind name = base { … }` at the top of a file."""

    kind: Name
    name: Name
    base: Path | None
    block: Block | None
    span: Span


@dataclass(frozen=True, slots=True)
class Vary:
    """`vary path, path in values`."""

    paths: tuple[Path, ...]
    values: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Condition:
    """`where left operator right`."""

    left: Expr
    operator: str
    right: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Sweep:
    """`sweep name of experiment { … }`."""

    name: Name
    of: Path
    clauses: tuple[Vary | Condition, ...]
    span: Span


Statement = Edition | Use | Definition | Sweep


@dataclass(frozen=True, slots=True)
class File:
    """One file; `damaged` when a statement had to be left out."""

    statements: tuple[Statement, ...]
    damaged: bool
    span: Span

    @property
    def uses(self) -> tuple[Use, ...]:
        """The files that this one uses, in order."""
        return tuple(s for s in self.statements if isinstance(s, Use))

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """Its definitions, in order."""
        return tuple(s for s in self.statements if isinstance(s, Definition))

    @property
    def sweeps(self) -> tuple[Sweep, ...]:
        """Its sweeps, in order."""
        return tuple(s for s in self.statements if isinstance(s, Sweep))
