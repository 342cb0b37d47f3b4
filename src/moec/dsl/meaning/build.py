"""Records become the dataclasses of the schema, every field checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moec.diagnostics import Diagnostic, Label, Span
from moec.diagnostics.nearest import did_you_mean, nearest
from moec.diagnostics.not_yet import cannot_yet
from moec.dsl import schema
from moec.dsl.meaning import checks
from moec.dsl.meaning.hugging_face import HUGGING_FACE, MODEL_PARTS
from moec.dsl.meaning.later import later_fields
from moec.dsl.meaning.resolve import Resolution
from moec.dsl.meaning.shapes import Shape, fields_of, required, shapes_of
from moec.dsl.meaning.surface import canonical
from moec.dsl.meaning.topology import TOPOLOGY_LAWS
from moec.dsl.meaning.values import FAILED, UNSET, Absent, Identifier, Quantity, Record, TextValue, Value
from moec.dsl.text import ast
from moec.regular_file import DATA_MOST, read_regular, reason_of

NOWHERE = Span("", 1, 1, 1, 1)


@dataclass(slots=True)
class Building:
    """What building one value of the schema finds out besides it; paths are dotted, relative to the root."""

    resolution: Resolution
    spans: dict[str, Span] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    damaged: bool = False
    """Whether something was left out for a syntax error, so that the whole is not what was meant."""

    def note(self, diagnostic: Diagnostic) -> Absent:
        """Report a mistake."""
        self.resolution.note(diagnostic)
        return FAILED

    def record(self, record: Record, path: str = "") -> Any:
        """The dataclass of a record, or FAILED when anything in it has a mistake; all of them are reported."""
        self.damaged |= record.damaged
        self._check_names(record)
        shapes = shapes_of(record.cls)
        values = {name: self._field(record, name, shape, path) for name, shape in shapes.items()}
        if any(value is FAILED for value in values.values()):
            return FAILED
        given = {name: value for name, value in values.items() if value is not UNSET}
        if any(required(f) and n not in given for n, f in fields_of(record.cls).items()):
            return FAILED
        return self._lawful(record.cls(**given), record)

    def _field(self, record: Record, name: str, shape: Shape, path: str) -> Any:
        entry = _last_entry(record, name)
        inner = f"{path}.{name}" if path else name
        value = self.resolution.field(record, name, entry.span if entry else record.head or NOWHERE)
        if entry is not None:
            self.spans[inner] = _head_span(entry)
        if value is UNSET:
            return self._missing(record, name)
        return self._convert(value, shape, record, name, inner)

    def _missing(self, record: Record, name: str) -> Absent:
        declared = fields_of(record.cls)[name]
        if not required(declared) or _excused(record, name):
            return UNSET
        title = f"`{record.name or record.kind}` does not say its `{name}`"
        help = f"add `{_example(name, shapes_of(record.cls)[name])}`: {declared.metadata['doc']}"
        return self.note(Diagnostic("M205", title, record.head or NOWHERE, f"`{name}` is missing", help=help))

    def _convert(self, value: Value, shape: Shape, record: Record, name: str, path: str) -> Any:
        at = _value_span(_last_entry(record, name)) or record.head or NOWHERE
        if value is FAILED:
            return FAILED
        if isinstance(value, Record) and shape.accepts(value.cls):
            if value.name:
                self.names[path] = value.name
            return self.record(value, path)
        if isinstance(value, Quantity) and shape.dimension is not None:
            result = checks.number(value, shape, fields_of(record.cls)[name], at)
            return self.note(result) if isinstance(result, Diagnostic) else result
        if isinstance(value, bool) and shape.truth:
            return value
        if isinstance(value, Identifier) and value.text in shape.choices:
            return value.text
        if isinstance(value, TextValue) and shape.plain:
            return value.text
        if isinstance(value, TextValue) and shape.text:
            folder = fields_of(record.cls)[name].metadata["folder"]
            return self._existing_folder(value, at) if folder else self._existing_file(value, at)
        return self.note(checks.wrong_type(value, shape, name, at))

    def _existing_file(self, value: TextValue, at: Span) -> str | Absent:
        """The absolute path of a file that is named relative to the text that names it."""
        path = Path(os.path.normpath(value.unit.directory / value.text))
        try:
            content = read_regular(path, DATA_MOST)
        except (OSError, ValueError) as error:
            title = f"cannot read `{value.text}`: {reason_of(error)}"
            return self.note(Diagnostic("M503", title, at, help=_where(value)))
        self.files[value.text] = hashlib.sha256(content).hexdigest()
        return str(path.absolute())

    def _existing_folder(self, value: TextValue, at: Span) -> str | Absent:
        """As `_existing_file`, of a folder, whose tables are among the inputs of the run."""
        path = Path(os.path.normpath(value.unit.directory / value.text))
        try:
            if not path.is_dir():
                reason = "it is a file, not a folder" if path.exists() else "no such folder"
                return self.note(Diagnostic("M503", f"cannot read `{value.text}`: {reason}", at, help=_where(value)))
            for file in tables_in(path):
                name = f"{value.text.rstrip('/')}/{os.path.relpath(file, path).replace(os.sep, '/')}"
                self.files[name] = hashlib.sha256(read_regular(file, DATA_MOST)).hexdigest()
        except (OSError, ValueError) as error:
            title = f"cannot read `{value.text}`: {reason_of(error)}"
            return self.note(Diagnostic("M503", title, at, help=_where(value)))
        return str(path.absolute())

    def _check_names(self, record: Record) -> None:
        """Fields that the class does not have, and fields that one block gives twice."""
        for layer in record.layers:
            if layer in self.resolution.checked:
                break  # and with it what it lies on
            self.resolution.checked.add(layer)
            seen: dict[str, ast.Name] = {}
            for entry in layer.block.fields:
                name = canonical(record.cls, entry.name.text)
                if name not in shapes_of(record.cls):
                    self._unknown(record, entry)
                elif name in seen:
                    self._twice(entry, seen[name])
                seen.setdefault(name, entry.name)

    def _unknown(self, record: Record, entry: ast.Field) -> None:
        name = entry.name.text
        if name in later_fields(record.cls):
            help = "leave it out: decoding is autoregressive" if name == "decode" and record.cls is schema.Model else ""
            self.note(cannot_yet(f"`{name}` of `{record.kind}`", entry.name.span, help))
            return
        meant = HUGGING_FACE.get(name) if record.cls.__name__ in MODEL_PARTS else None
        help = f"`{name}` of a Hugging Face config is {meant}" if meant else ""
        help = help or did_you_mean(name, shapes_of(record.cls), listing="its fields") or "it has no fields"
        self.note(Diagnostic("M101", f"`{record.kind}` has no field `{name}`", entry.name.span, help=help))

    def _twice(self, entry: ast.Field, first: ast.Name) -> None:
        labels = (Label(first.span, "first here"),)
        self.note(
            Diagnostic("M106", f"`{entry.name.text}` is given twice", entry.name.span, labels=labels, help="keep one")
        )

    def _lawful(self, built: Any, record: Record) -> Any:
        """`built`, unless two of its fields contradict each other."""
        law = _LAWS.get(type(built))
        problem = law(built) if law is not None else None
        if problem is None:
            return built
        return self.note(Diagnostic("M216", problem[0], record.head or NOWHERE, help=problem[1]))


def tables_in(folder: Path) -> list[Path]:
    """The CSV and YAML files in a folder and in the folders right in it, by name, and a `meta.yaml` beside it."""
    files = [*folder.iterdir(), *(f for inner in folder.iterdir() if inner.is_dir() for f in inner.iterdir())]
    files.append(folder.parent / "meta.yaml")
    return sorted(f for f in files if f.suffix in (".csv", ".yaml") and f.is_file())


def _low_to_high(built: schema.UniformLength) -> tuple[str, str] | None:
    if built.low <= built.high:
        return None
    return f"`low` is {built.low} tokens, more than `high`, {built.high}", "give the shorter length as `low`"


_LAWS: dict[type, Callable[[Any], tuple[str, str] | None]] = {schema.UniformLength: _low_to_high, **TOPOLOGY_LAWS}


def _excused(record: Record, name: str) -> bool:
    """Whether a missing field is explained by what has been said already: a hole, a misspelling, another way later on."""
    known = shapes_of(record.cls)
    others = [f for f in record.layers.given if f not in known]
    return record.damaged or any(f in later_fields(record.cls) or nearest(f, known) == name for f in others)


def _last_entry(record: Record, name: str) -> ast.Field | None:
    return record.layers.last(name)


def _head_span(entry: ast.Field) -> Span:
    """The whole of a field that fits on a line, else its name."""
    return entry.span if entry.span.line == entry.span.end_line else entry.name.span


def _value_span(entry: ast.Field | None) -> Span | None:
    if entry is None:
        return None
    return entry.value.span if isinstance(entry, ast.Assign) else _head_span(entry)


def _example(name: str, shape: Shape) -> str:
    if shape.only is not None and schema.surface_name(shape.only) != name:
        return f"{name} = …"
    return f"{name} {{ … }}" if shape.only is not None else f"{name} = …"


def _where(value: TextValue) -> str:
    return f"the path is relative to {'the working directory' if value.unit.named.startswith('--set') else f'`{value.unit.named}`'}"
