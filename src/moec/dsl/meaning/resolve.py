"""What every name and expression of a specification stands for: late-bound, looked up from the inside outwards."""

from __future__ import annotations

from moec.diagnostics import Diagnostic, Label, Span
from moec.diagnostics.nearest import SLIP, did_you_mean, listed, nearest
from moec.dsl.meaning.checks import takes
from moec.dsl.meaning.defaults import default_value, has_value
from moec.dsl.meaning.evaluate import ANY, Evaluation
from moec.dsl.meaning.shapes import Shape, shapes_of
from moec.dsl.meaning.surface import KINDS, canonical
from moec.dsl.meaning.values import FAILED, UNSET, Layer, Record, Scope, Unit, Value, describe, layer_of
from moec.dsl.text import ast

DEEPEST = 48
"""References that may wait for each other; a chain this long is a mistake, and Python's stack has an end."""


class Resolution:
    """One evaluation of a specification: values found so far, what is being looked up, and the mistakes."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.records: dict[tuple[int, str, str], Value] = {}
        self.checked: set[Layer] = set()
        """Layers whose fields have been looked through; copies share them."""
        self._waiting: list[tuple[object, str, Span]] = []

    def report(
        self, code: str, title: str, span: Span, label: str = "", *, labels: tuple[Label, ...] = (), help: str = ""
    ) -> Value:
        """Note a mistake; the value of what has one is FAILED, about which nothing more is said."""
        return self.note(Diagnostic(code, title, span, label, labels, help))

    def note(self, diagnostic: Diagnostic) -> Value:
        """Note a diagnostic that is already made."""
        self.diagnostics.append(diagnostic)
        return FAILED

    def definition(self, unit: Unit, definition: ast.Definition, at: Span) -> Value:
        """The record of a definition of `unit`; `at` is what asks for it."""
        key = (id(unit), definition.kind.text, definition.name.text)
        if key not in self.records:
            stopped = self._enter(definition, definition.name.text, at)
            if stopped is not None:
                return stopped
            self.records[key] = self._define(unit, definition)
            self._waiting.pop()
        return self.records[key]

    def field(self, record: Record, name: str, at: Span) -> Value:
        """The value of a field: the last layer that assigns it, amended by the nested blocks of those after it."""
        if name not in record.values:
            stopped = self._enter(record, name, at)
            if stopped is not None:
                return stopped
            record.values[name] = self._evaluate(record, name)
            self._waiting.pop()
        return record.values[name]

    def _enter(self, owner: object, name: str, at: Span) -> Value | None:
        for i, (other, waiting, _) in enumerate(self._waiting):
            if other is owner and waiting == name:
                circle = self._waiting[i + 1 :]
                labels = tuple(Label(span, f"which needs `{needed}`") for _, needed, span in circle)
                return self.report(
                    "M107",
                    f"`{name}` needs its own value",
                    at,
                    "this closes the circle",
                    labels=labels,
                    help="break the circle in one of these places",
                )
        if len(self._waiting) >= DEEPEST:
            return self.report(
                "M108",
                f"more than {DEEPEST} references wait for each other",
                at,
                help="write the value closer to where it is used",
            )
        self._waiting.append((owner, name, at))
        return None

    def _define(self, unit: Unit, definition: ast.Definition) -> Value:
        cls = KINDS.get(definition.kind.text)
        if cls is None:
            return FAILED  # reported with the file
        record = Record(cls, head=definition.name.span, name=definition.name.text)
        if definition.base is not None:
            base = self.reference(definition.base, Scope(unit), Shape(variants={definition.kind.text: cls}))
            if not isinstance(base, Record):
                return base if base is FAILED else self._wrong_base(definition, base)
            if base.cls is not cls:
                return self._wrong_base(definition, base)
            record = Record(cls, base.layers, definition.name.span, definition.name.text)
        return record.amended(definition.block, Scope(unit)) if definition.block is not None else record

    def _wrong_base(self, definition: ast.Definition, base: Value) -> Value:
        assert definition.base is not None
        title = f"`{definition.base.text}` is {describe(base)}, not a `{definition.kind.text}`"
        help = f"amend a `{definition.kind.text}`"
        if isinstance(base, Record):
            help += f", or write `{base.kind} {definition.name.text} = {definition.base.text}`"
        return self.report("M210", title, definition.base.span, help=help)

    def _evaluate(self, record: Record, name: str) -> Value:
        given = record.layers.given.get(name, ())
        assigned = bool(given) and not isinstance(given[0][1], ast.Nest)
        shape = shapes_of(record.cls)[name]
        if assigned:
            layer, entry = given[0]
            value = self._entry(entry, Scope(layer.scope.unit, record, name, layer.scope), shape, (record.cls, name))
        else:
            value = default_value(record.cls, name)
            if value is UNSET and given and shape.only is not None:
                value = Record(shape.only, head=given[0][1].name.span)
        for layer, entry in given[assigned:]:
            value = self._merge(value, entry, record, layer, shape)
        return value

    def _entry(self, entry: ast.Field, scope: Scope, shape: Shape, place: tuple[type, str]) -> Value:
        evaluation = Evaluation(self, scope, shape, place)
        if isinstance(entry, ast.Assign):
            return evaluation.value(entry.value)
        assert isinstance(entry, ast.Labelled)
        return evaluation.labelled(entry)

    def _merge(self, value: Value, entry: ast.Field, record: Record, layer: Layer, shape: Shape) -> Value:
        assert isinstance(entry, ast.Nest)
        if value is FAILED:
            return FAILED
        name = entry.name.text
        if isinstance(value, Record):
            head = value.head if value.layers else entry.name.span
            inner = layer_of(value.cls, entry.block, Scope(layer.scope.unit, record, "", layer.scope))
            return Record(value.cls, value.layers.under(inner), head, value.name)
        if shape.variants:
            kinds = " or ".join(f"`{name} = {variant} {{ … }}`" for variant in shape.variants)
            return self.report(
                "M211", f"`{name}` does not say which variant it is", entry.name.span, help=f"write {kinds}"
            )
        return self.report("M212", f"`{name}` is not a block", entry.span, help=f"write `{name} = …`")

    def reference(self, path: ast.Path, scope: Scope, shape: Shape = ANY, field: str = "") -> Value:
        """What a path stands for; `shape` and `field` are what wants it, for the words about a name unknown."""
        value = self._first(path, scope, shape)
        if value is None:
            return self._unknown(path, scope, shape, field)
        for i, part in enumerate(path.parts[1:], 1):
            if value is FAILED:
                return FAILED
            wanted = shape if i == len(path.parts) - 1 else ANY
            value = self._member(value, part, ".".join(p.text for p in path.parts[:i]), wanted)
        if value is UNSET:
            return self.report(
                "M213",
                f"`{path.text}` is not set",
                path.span,
                "has no value to refer to",
                help="give it one, or write the value here",
            )
        return value

    def _member(self, value: Value, part: ast.Name, owner: str, wanted: Shape) -> Value:
        if isinstance(value, Record):
            name = canonical(value.cls, part.text)
            if name in shapes_of(value.cls):
                return self.field(value, name, part.span)
            help = did_you_mean(part.text, shapes_of(value.cls), listing="its fields")
            return self.report("M104", f"`{owner}` is a `{value.kind}` and has no `{part.text}`", part.span, help=help)
        if isinstance(value, Unit):
            found = self._meant(value, part, wanted, None)
            if found is not None:
                return found
            names = (*_of_kinds(value, wanted), *(name for _, name in value.definitions))
            help = did_you_mean(part.text, names, listing="it defines")
            return self.report("M104", f"`{value.named}` has no `{part.text}`", part.span, help=help)
        if value is UNSET:
            return self.report(
                "M213",
                f"`{owner}` is not set",
                part.span,
                "has no value to refer to",
                help="give it one, or write the value here",
            )
        return self.report(
            "M104", f"`{owner}` is {describe(value)} and has no fields", part.span, help=f"write `{owner}`"
        )

    def _meant(self, unit: Unit, name: ast.Name, wanted: Shape, member: ast.Name | None) -> Value | None:
        """The definition of that name: of several, the one of a kind that is wanted, or that has the `member` asked of it.

        None when there is none.
        """
        found = unit.called(name.text)
        if len(found) > 1:
            classes = wanted.variants.values()
            fitting = [d for d in found if KINDS.get(d.kind.text) in classes]
            if member is not None:
                fitting = [d for d in found if member.text in shapes_of(KINDS.get(d.kind.text, Record))]
            found = fitting[:1] if len(fitting) == 1 else found
        if len(found) > 1:
            kinds = " and ".join(f"a `{d.kind.text}`" for d in found)
            labels = tuple(Label(d.name.span, "this or") for d in found)
            title = f"`{name.text}` is {kinds}: which is meant cannot be told here"
            return self.report("M105", title, name.span, labels=labels, help="rename one")
        return self.definition(unit, found[0], name.span) if found else None

    def _first(self, path: ast.Path, scope: Scope, wanted: Shape) -> Value | None:
        """A field of a block around, the innermost first; else a definition of the file; else a file that it uses.

        A field counts when it is given or has a default value; where it has neither, a name further out may be meant.
        """
        name, member = path.parts[0], next(iter(path.parts[1:]), None)
        passed: Value | None = None
        for record in _records(scope):
            field = canonical(record.cls, name.text)
            if field not in shapes_of(record.cls):
                continue
            if record is scope.record and field == scope.field:
                passed = FAILED  # `link = link` means another link
            elif has_value(record, field):
                return self.field(record, field, name.span)
            else:
                passed = passed or UNSET
        unit = scope.unit.home or scope.unit
        found = self._meant(unit, name, wanted, member)
        if found is not None:
            return found
        if name.text in unit.namespaces:
            return unit.namespaces[name.text]
        if passed is FAILED:
            return self.report("M107", f"`{name.text}` needs its own value", name.span, help="write a value")
        return passed

    def _unknown(self, path: ast.Path, scope: Scope, shape: Shape, field: str) -> Value:
        name = path.parts[0].text
        choices = (*shape.choices, *(shape.variants if shape.only is None else ()))
        unit = scope.unit.home or scope.unit
        names = [*choices, *_of_kinds(unit, shape), *(known for _, known in unit.definitions), *unit.namespaces]
        names += [known for record in _records(scope) for known in shapes_of(record.cls)]
        if choices and len(path.parts) == 1:
            meant = nearest(name, choices) or nearest(name, names, cutoff=SLIP)
            help = f"did you mean `{meant}`?" if meant else f"it takes {listed(choices)}"
            return self.report("M109", f"`{field}` has no `{name}`", path.span, help=help)
        help = did_you_mean(name, names) or (f"`{field}` takes {takes(shape)}" if field else "")
        return self.report("M103", f"unknown name `{name}`", path.parts[0].span, help=help)


def _of_kinds(unit: Unit, wanted: Shape) -> list[str]:
    """The names of definitions that a field of the shape takes."""
    return [name for kind, name in unit.definitions if KINDS.get(kind) in wanted.variants.values()]


def _records(scope: Scope) -> list[Record]:
    records = []
    current: Scope | None = scope
    while current is not None:
        if current.record is not None:
            records.append(current.record)
        current = current.outer
    return records
