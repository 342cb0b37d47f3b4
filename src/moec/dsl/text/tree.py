"""How the reductions of `moe.lark` become AST nodes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, Literal

from lark import Token, Transformer, v_args

from moec.diagnostics import Span
from moec.dsl.text import ast

_QUANTITY = re.compile(r"([0-9][0-9_]*(?:\.[0-9][0-9_]*)?(?:[eE][+-]?[0-9]+)?)[ \t]*(.+)")

Damaged = Literal["damaged"]


def join(first: Span, last: Span) -> Span:
    """From the start of `first` to the end of `last`."""
    return Span(first.file, first.line, first.column, last.end_line, last.end_column)


def _name(token: Token) -> ast.Name:
    return ast.Name(str(token), token.value)


def read_number(digits: str) -> int | float:
    """A number as written; whole ones stay whole as long as they fit 18 digits."""
    plain = digits.replace("_", "")
    return int(plain) if plain.isdigit() and len(plain) <= 18 else float(plain)


def read_string(quoted: str) -> str:
    """The text between the quotes; JSON's escapes, and anything else after a backslash stands for itself."""
    if "\\" not in quoted:
        return quoted[1:-1]
    try:
        return str(json.loads(quoted, strict=False))
    except ValueError:
        return quoted[1:-1]


@v_args(inline=True)
class AstBuilder(Transformer[Token, Any]):
    """Called by Lark at every reduction. The `value` of a token is its span (see tokens.py), its text `str(token)`."""

    def file(self, *statements: ast.Statement | Damaged) -> ast.File:
        kept = tuple(s for s in statements if s != "damaged")
        span = join(kept[0].span, kept[-1].span) if kept else Span("", 1, 1, 1, 1)
        return ast.File(kept, len(kept) < len(statements), span)

    def damaged(self) -> Damaged:
        return "damaged"

    def edition(self, token: Token) -> ast.Edition:
        return ast.Edition(int(str(token).split()[1][:9]), token.value)

    def use(self, path: Token, alias: Token | None = None) -> ast.Use:
        text = ast.Text(read_string(str(path)), path.value)
        return ast.Use(text, _name(alias) if alias else None, join(path.value, (alias or path).value))

    def definition(self, kind: Token, name: Token, block: ast.Block) -> ast.Definition:
        return ast.Definition(_name(kind), _name(name), None, block, join(kind.value, block.span))

    def amended_definition(
        self, kind: Token, name: Token, base: ast.Path, block: ast.Block | None = None
    ) -> ast.Definition:
        return ast.Definition(_name(kind), _name(name), base, block, join(kind.value, (block or base).span))

    def sweep(self, name: Token, of: ast.Path, _open: Token, *rest: Any) -> ast.Sweep:
        clauses = tuple(clause for clause in rest[:-1] if clause != "damaged")
        return ast.Sweep(_name(name), of, clauses, join(name.value, rest[-1].value))

    def vary(self, paths: tuple[ast.Path, ...], values: ast.Expr) -> ast.Vary:
        return ast.Vary(paths, values, join(paths[0].span, values.span))

    def paths(self, *paths: Any) -> tuple[ast.Path, ...]:
        return (*paths[0], paths[1]) if isinstance(paths[0], tuple) else paths

    def condition(self, left: ast.Expr, operator: Token, right: ast.Expr) -> ast.Condition:
        return ast.Condition(left, str(operator), right, join(left.span, right.span))

    def block(self, start: Token, *rest: Any) -> ast.Block:
        fields = tuple(field for field in rest[:-1] if field != "damaged")
        return ast.Block(fields, len(fields) < len(rest) - 1, join(start.value, rest[-1].value))

    def assign(self, name: Token, value: ast.Expr) -> ast.Assign:
        return ast.Assign(_name(name), value, join(name.value, value.span))

    def nest(self, name: Token, block: ast.Block) -> ast.Nest:
        return ast.Nest(_name(name), block, join(name.value, block.span))

    def variant(self, name: Token, label: Token, block: ast.Block) -> ast.Labelled:
        return ast.Labelled(_name(name), _name(label), None, block, join(name.value, block.span))

    def variant_of(self, name: Token, label: Token, base: ast.Path, block: ast.Block | None = None) -> ast.Labelled:
        return ast.Labelled(_name(name), _name(label), base, block, join(name.value, (block or base).span))

    def amended(self, base: ast.Path, block: ast.Block) -> ast.Amended:
        return ast.Amended(base, block, join(base.span, block.span))

    def range(self, start: ast.Expr, stop: ast.Expr, step: ast.Expr | None = None) -> ast.Range:
        return ast.Range(start, stop, step, join(start.span, (step or stop).span))

    def binary(self, left: ast.Expr, operator: Token, right: ast.Expr) -> ast.Binary:
        return ast.Binary(str(operator), left, right, join(left.span, right.span))

    def negate(self, minus: Token, operand: ast.Expr) -> ast.Negative:
        return ast.Negative(operand, join(minus.value, operand.span))

    def number(self, token: Token) -> ast.Number:
        return ast.Number(read_number(str(token)), "", token.value)

    def quantity(self, token: Token) -> ast.Number:
        match = _QUANTITY.match(str(token))
        assert match is not None
        return ast.Number(read_number(match[1]), match[2], token.value)

    def string(self, token: Token) -> ast.Text:
        return ast.Text(read_string(str(token)), token.value)

    def truth(self, token: Token) -> ast.Truth:
        return ast.Truth(str(token) == "true", token.value)

    def call(self, callee: ast.Path, *rest: Any) -> ast.Call:
        return ast.Call(callee, rest[1:-1], join(callee.span, rest[-1].value))

    def argument(self, name: Token, value: ast.Expr) -> ast.Argument:
        return ast.Argument(_name(name), value, join(name.value, value.span))

    def positional(self, value: ast.Expr) -> ast.Argument:
        return ast.Argument(None, value, value.span)

    def list(self, start: Token, *rest: Any) -> ast.Items:
        return ast.Items(rest[:-1], join(start.value, rest[-1].value))

    def group(self, start: Token, inner: Any, end: Token) -> ast.Expr:
        widened: ast.Expr = replace(inner, span=join(start.value, end.value))
        return widened

    def path(self, first: ast.Path | Token, last: Token | None = None) -> ast.Path:
        if isinstance(first, Token):
            return ast.Path((_name(first),), first.value)
        assert last is not None
        return ast.Path((*first.parts, _name(last)), join(first.span, last.value))

    def setting(self, path: ast.Path, value: ast.Expr) -> tuple[ast.Path, ast.Expr]:
        return path, value
