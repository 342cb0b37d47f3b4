"""The value of one expression, given what its field accepts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol, assert_never

from moec.diagnostics import Diagnostic, Refused, Span
from moec.diagnostics.nearest import did_you_mean, listed
from moec.diagnostics.not_yet import cannot_yet
from moec.dsl.meaning.arithmetic import apply
from moec.dsl.meaning.later import later_choices
from moec.dsl.meaning.shapes import Shape, shapes_of
from moec.dsl.meaning.surface import IN_ORDER, KINDS
from moec.dsl.meaning.values import (
    FAILED,
    Identifier,
    Quantity,
    RangeValue,
    Record,
    Scope,
    TextValue,
    Value,
    describe,
)
from moec.dsl.text import ast
from moec.dsl.units import NUMBER, UNITS, to_si

ANY = Shape()
"""The shape of operands and list items, of which nothing is known beforehand."""


class Names(Protocol):
    """Where references are looked up and mistakes noted: a Resolution."""

    def reference(self, path: ast.Path, scope: Scope, shape: Shape = ANY, field: str = "") -> Value:
        """What a path stands for, wanted by `field` of `shape`."""

    def report(self, code: str, title: str, span: Span, label: str = "", *, help: str = "") -> Value:
        """Note a mistake."""

    def note(self, diagnostic: Diagnostic) -> Value:
        """Note a diagnostic that is already made."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The evaluation of the expressions of one field: `place` is the class and the field."""

    names: Names
    scope: Scope
    shape: Shape
    place: tuple[type, str]

    def value(self, expr: ast.Expr) -> Value:
        """What `expr` stands for as a value of the field."""
        match expr:
            case ast.Number():
                return self._number(expr)
            case ast.Text():
                if expr.code is None or self.shape.text:
                    return TextValue(expr.value, self.scope.unit)
                return self.value(expr.code)
            case ast.Truth():
                return expr.value
            case ast.Path():
                return self._path(expr)
            case ast.Call():
                return self._call(expr)
            case ast.Amended():
                return self._amended(expr.base, expr.block)
            case ast.Items():
                return tuple(self._operand(item) for item in expr.items)
            case ast.Range():
                return self._range(expr)
            case ast.Negative():
                return self._negative(expr)
            case ast.Binary():
                return self._binary(expr)
            case _:
                assert_never(expr)

    def labelled(self, entry: ast.Labelled) -> Value:
        """`attention gqa { … }`, which is `attention = gqa { … }`."""
        path = ast.Path((entry.label,), entry.label.span)
        if entry.base is not None or entry.block is None:
            title = f"`{entry.name.text}` is a field, not a definition"
            base = entry.base.text if entry.base is not None else entry.label.text
            return self.names.report("M214", title, entry.span, help=f"write `{entry.name.text} = {base} {{ … }}`")
        return self._amended(path, entry.block)

    def _operand(self, expr: ast.Expr) -> Value:
        return Evaluation(self.names, self.scope, ANY, self.place).value(expr)

    def _number(self, expr: ast.Number) -> Value:
        value = to_si(expr.value, expr.unit) if expr.unit else expr.value
        if not math.isfinite(value):
            return self.names.report("M209", "the number is too large", expr.span, help="the largest is about 1.8e308")
        return Quantity(value, UNITS[expr.unit][1] if expr.unit else NUMBER)

    def _path(self, path: ast.Path) -> Value:
        name = path.parts[0].text
        if len(path.parts) == 1:
            if name in self.shape.choices:
                return Identifier(name)
            if self._constructs(name):
                return self._block(name, path.span, None)
            if name in later_choices(*self.place):
                return self._not_yet(name, path.span)
        return self._reference(path)

    def _reference(self, path: ast.Path) -> Value:
        return self.names.reference(path, self.scope, self.shape, self.place[1] if self.shape is not ANY else "")

    def _constructs(self, name: str) -> bool:
        """Whether `name` alone means a variant, without `( )` or `{ }`; the name of a kind or field is a reference."""
        return name not in KINDS and name != self.place[1] and self.shape.has(name)

    def _block(self, name: str, at: Span, block: ast.Block | None) -> Value:
        """The record of variant `name`, with the fields of `block`; FAILED, and said why, where a package's cannot be used."""
        try:
            cls = self.shape.variant(name)
        except Refused as refused:
            return [self.names.note(replace(d, span=at)) for d in refused.diagnostics][-1]
        assert cls is not None
        record = Record(cls, head=at)
        return record if block is None else record.amended(block, self.scope.inside())

    def _not_yet(self, name: str, span: Span) -> Value:
        return self.names.note(cannot_yet(f"`{self.place[1]} = {name}`", span, self._offer()))

    def _offer(self) -> str:
        known = (*self.shape.choices, *self.shape.known)
        return f"this version has {listed(known)}" if known else ""

    def _call(self, call: ast.Call) -> Value:
        name = call.callee.text
        if self.shape.has(name):
            return self._construct(call)
        if name in later_choices(*self.place):
            return self._not_yet(name, call.callee.span)
        if name in self.shape.choices:
            return self.names.report("M215", f"`{name}` takes no arguments", call.span, help=f"write `{name}`")
        known = (*self.shape.known, *self.shape.choices)
        title = f"`{self.place[1]}` has no `{name}(…)`"
        return self.names.report("M109", title, call.callee.span, help=did_you_mean(name, known, listing="it takes"))

    def _construct(self, call: ast.Call) -> Value:
        """The record of `name(first, other: value)`: a positional argument is the first field (see `IN_ORDER`)."""
        name = call.callee.text
        bare = self._block(name, call.callee.span, None)
        if not isinstance(bare, Record):
            return bare
        cls = bare.cls
        positional = [a for a in call.arguments if a.name is None]
        fields = list(shapes_of(cls))
        most = min(len(fields), IN_ORDER.get(cls, 1))
        if len(positional) > most or any(a.name is not None for a in call.arguments[: len(positional)]):
            form = ", ".join(f"{f}: …" for f in fields)
            span = positional[-1].span
            return self.names.report("M215", f"`{name}` takes named arguments", span, help=f"write `{name}({form})`")
        assigns = tuple(
            ast.Assign(a.name if a.name is not None else ast.Name(fields[i], a.span), a.value, a.span)
            for i, a in enumerate(call.arguments)
        )
        block = ast.Block(assigns, False, call.span)
        return bare.amended(block, self.scope.inside())

    def _amended(self, base: ast.Path, block: ast.Block) -> Value:
        name = base.text
        if len(base.parts) == 1 and self.shape.has(name):
            return self._block(name, base.span, block)
        if name in later_choices(*self.place):
            return self._not_yet(name, base.span)
        found = self._reference(base)
        if isinstance(found, Record):
            amended = found.amended(block, self.scope.inside())
            return Record(amended.cls, amended.layers, base.span, found.name)
        if found is FAILED:
            return FAILED
        return self.names.report(
            "M212",
            f"`{name}` is {describe(found)}, not a block that can be amended",
            base.span,
            help=f"write `{name}` alone",
        )

    def _range(self, expr: ast.Range) -> Value:
        ends = [self._operand(expr.start), self._operand(expr.stop)]
        ends.append(self._operand(expr.step) if expr.step is not None else Quantity(1, NUMBER))
        if any(e is FAILED for e in ends):
            return FAILED
        start, stop, step = ends
        if not (isinstance(start, Quantity) and isinstance(stop, Quantity) and isinstance(step, Quantity)):
            return self.names.report("M217", "a range runs from number to number", expr.span, help="write `1..64`")
        return RangeValue(start, stop, step)

    def _negative(self, expr: ast.Negative) -> Value:
        """Minus signs one inside the other, without recursion."""
        sign, inner = -1, expr.operand
        while isinstance(inner, ast.Negative):
            sign, inner = -sign, inner.operand
        value = self._operand(inner)
        if isinstance(value, Quantity):
            return Quantity(sign * value.value, value.dimension)
        return value if value is FAILED else self._no_number(value, inner.span)

    def _binary(self, expr: ast.Binary) -> Value:
        """A left-leaning chain of operators, without recursion."""
        chain: list[ast.Binary] = [expr]
        while isinstance(chain[-1].left, ast.Binary):
            chain.append(chain[-1].left)
        value = self._operand(chain[-1].left)
        left_span = chain[-1].left.span
        for node in reversed(chain):
            right = self._operand(node.right)
            value = self._apply(node, value, right, left_span)
            left_span = node.span
        return value

    def _apply(self, node: ast.Binary, left: Value, right: Value, left_span: Span) -> Value:
        if left is FAILED or right is FAILED:
            return FAILED
        if not isinstance(left, Quantity):
            return self._no_number(left, left_span)
        if not isinstance(right, Quantity):
            return self._no_number(right, node.right.span)
        result = apply(node.operator, left, right)
        return (
            result
            if isinstance(result, Quantity)
            else self.names.report(result[0], result[1], node.span, help=result[2])
        )

    def _no_number(self, value: Value, span: Span) -> Value:
        return self.names.report(
            "M217",
            f"cannot calculate with {describe(value)}",
            span,
            help="only numbers and quantities can be calculated with",
        )
