"""A specification written as JSON becomes the same AST as the language."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from moec.diagnostics import Diagnostic, Span
from moec.dsl.text import ast
from moec.dsl.text.json_reader import JsonNull, JsonObject, JsonReader, Node, NotJson
from moec.dsl.text.parser import EDITION

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def parse_json(text: str, file: str) -> tuple[ast.File | None, tuple[Diagnostic, ...]]:
    """The AST of `{"moe": 1, "use": {name: path}, kind: {name: {field: value}}}`.

    A block may amend: its key `=` names the base or the variant. A string is a string where the field takes one, else
    an expression of the language, such as `"2 us"`, `"fp8"` or `"attention.dp"`. `null` is as if the key were absent.
    """
    reader = JsonReader(text, file)
    try:
        root = reader.value(0)
        reader.end()
    except NotJson as error:
        return None, (Diagnostic("M505", error.title, reader.span(error.at, error.at + 1)),)
    return _Writer(file).file(root)


@dataclass(slots=True)
class _Writer:
    """The AST of the JSON values that were read."""

    name: str
    found: list[Diagnostic] = field(default_factory=list)

    def file(self, root: Node) -> tuple[ast.File | None, tuple[Diagnostic, ...]]:
        if not isinstance(root, JsonObject):
            return None, (Diagnostic("M505", "a specification in JSON is an object", root.span),)
        statements: list[ast.Statement] = []
        for key, value in root.members:
            if key.value == "moe":
                statements.append(self.edition(value))
            elif isinstance(value, JsonObject):
                statements += self.uses(value) if key.value == "use" else self.definitions(key, value)
            else:
                self.wrong(value.span, f"`{key.value}` holds an object: its names and what they are")
        editions = [s for s in statements if isinstance(s, ast.Edition)]
        if not editions:
            title, help = "the specification does not name its edition", f'add `"moe": {EDITION}`'
            self.found.append(Diagnostic("M004", title, _opening(root.span), help=help))
        for edition in editions:
            if edition.number != EDITION:
                title = f"edition {edition.number} of the language is not known"
                self.found.append(Diagnostic("M009", title, edition.span, help=f"write `{EDITION}`"))
        return ast.File(tuple(statements), False, root.span), tuple(self.found)

    def wrong(self, span: Span, title: str) -> None:
        self.found.append(Diagnostic("M505", title, _opening(span)))

    def edition(self, value: Node) -> ast.Edition:
        whole = isinstance(value, ast.Number) and isinstance(value.value, int)
        return ast.Edition(int(value.value) if whole and isinstance(value, ast.Number) else 0, value.span)

    def uses(self, value: JsonObject) -> list[ast.Statement]:
        uses: list[ast.Statement] = []
        for alias, path in value.members:
            if isinstance(path, ast.Text):
                uses.append(ast.Use(path, self.identifier(alias), path.span))
            else:
                self.wrong(path.span, "`use` names a path in quotes")
        return uses

    def definitions(self, kind: ast.Text, value: JsonObject) -> list[ast.Statement]:
        made: list[ast.Statement] = []
        for name, body in value.members:
            if isinstance(body, JsonObject):
                base, block = self.block(body)
                span = _opening(body.span)
                made.append(ast.Definition(self.identifier(kind), self.identifier(name), base, block, span))
            else:
                self.wrong(body.span, f"`{name.value}` is an object: its fields")
        return made

    def identifier(self, text: ast.Text) -> ast.Name:
        if not _NAME.match(text.value):
            self.wrong(text.span, f"`{text.value}` is not a name")
        return ast.Name(text.value, text.span)

    def block(self, value: JsonObject) -> tuple[ast.Path | None, ast.Block]:
        """The base that the key `=` names, and the other fields."""
        base = None
        fields: list[ast.Field] = []
        for key, member in value.members:
            if key.value == "=":
                base = self.base(member)
            elif isinstance(member, JsonObject):
                fields.append(self.nested(key, member))
            elif not isinstance(member, JsonNull):
                fields.append(ast.Assign(self.identifier(key), member, member.span))
        return base, ast.Block(tuple(fields), False, value.span)

    def base(self, member: Node) -> ast.Path | None:
        if isinstance(member, ast.Text) and isinstance(member.code, ast.Path):
            return member.code
        self.wrong(member.span, "`=` names a variant or a definition")
        return None

    def nested(self, key: ast.Text, value: JsonObject) -> ast.Field:
        base, block = self.block(value)
        name = self.identifier(key)
        if base is None:
            return ast.Nest(name, block, key.span)
        return ast.Assign(name, ast.Amended(base, block, base.span), key.span)


def _opening(span: Span) -> Span:
    """The first character of what may run over many lines."""
    return span if span.line == span.end_line else Span(span.file, span.line, span.column, span.line, span.column + 1)
