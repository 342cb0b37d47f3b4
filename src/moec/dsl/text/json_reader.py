"""JSON with the place of every value, which the standard library does not keep."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from moec.diagnostics import Span
from moec.dsl.text import ast
from moec.dsl.text.brackets import DEEPEST
from moec.dsl.text.parser import parse_value
from moec.dsl.text.tree import read_number

_BLANK = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORDS = {"true": True, "false": False, "null": None}

Member = tuple["ast.Text", "Node"]


@dataclass(frozen=True, slots=True)
class JsonObject:
    """Members in the order of the text."""

    members: tuple[Member, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class JsonNull:
    """`null`."""

    span: Span


Node = ast.Expr | JsonObject | JsonNull


class NotJson(Exception):
    """Carries the one mistake after which JSON cannot be read on."""

    def __init__(self, title: str, at: int) -> None:
        super().__init__(title)
        self.title = title
        self.at = at


@dataclass(slots=True)
class JsonReader:
    """JSON with the place of every value."""

    text: str
    file: str
    at: int = 0

    def span(self, start: int, end: int) -> Span:
        """The place of a stretch of the text."""
        first = self.text.rfind("\n", 0, start) + 1
        last = self.text.rfind("\n", 0, end) + 1
        line = self.text.count("\n", 0, start) + 1
        end_line = line + self.text.count("\n", start, end)
        return Span(self.file, line, start - first + 1, end_line, end - last + 1)

    def peek(self) -> str:
        """The next character that is not blank, or nothing at the end."""
        match = _BLANK.match(self.text, self.at)
        assert match is not None
        self.at = match.end()
        return self.text[self.at : self.at + 1]

    def expect(self, char: str) -> None:
        """Go past `char`; raises NotJson when something else stands there."""
        if self.peek() != char:
            raise NotJson(f"not JSON: expected `{char}`", self.at)
        self.at += 1

    def end(self) -> None:
        """Raises NotJson when there is more."""
        if self.peek():
            raise NotJson("not JSON: more text after the end", self.at)

    def value(self, depth: int) -> Node:
        """The value that begins here, inside `depth` brackets."""
        if depth > DEEPEST:
            raise NotJson(f"more than {DEEPEST} brackets inside each other", self.at)
        char = self.peek()
        start = self.at
        if char == "{":
            return self.object(depth)
        if char == "[":
            return self.array(depth)
        if char == '"':
            return self.string()
        number = _NUMBER.match(self.text, self.at)
        if number is not None:
            self.at = number.end()
            return _number(number[0], self.span(start, self.at))
        for word, meaning in _WORDS.items():
            if self.text.startswith(word, self.at):
                self.at += len(word)
                span = self.span(start, self.at)
                return JsonNull(span) if meaning is None else ast.Truth(meaning, span)
        raise NotJson("not JSON: expected a value", self.at)

    def string(self) -> ast.Text:
        """A string, with the expression of the language that it may be."""
        self.peek()
        start = self.at
        match = _STRING.match(self.text, start)
        if match is None:
            raise NotJson("not JSON: the string is not closed", start)
        try:
            value = str(json.loads(match[0]))
        except ValueError as error:
            raise NotJson("not JSON: an escape that JSON does not have", start) from error
        self.at = match.end()
        span = self.span(start, self.at)
        return ast.Text(value, span, parse_value(value, self.file, span))

    def array(self, depth: int) -> ast.Expr:
        """A list of plain values."""
        start = self.at
        self.at += 1
        items: list[ast.Expr] = []
        while self.peek() != "]":
            if items:
                self.expect(",")
            item = self.value(depth + 1)
            if isinstance(item, JsonObject | JsonNull):
                raise NotJson("a list holds numbers, strings and lists", self.at)
            items.append(item)
        self.at += 1
        return ast.Items(tuple(items), self.span(start, self.at))

    def object(self, depth: int) -> JsonObject:
        """An object, keys given twice kept."""
        start = self.at
        self.at += 1
        members: list[Member] = []
        while self.peek() != "}":
            if members:
                self.expect(",")
            if self.peek() != '"':
                raise NotJson("not JSON: expected a key in quotes", self.at)
            key = self.string()
            self.expect(":")
            members.append((key, self.value(depth + 1)))
        self.at += 1
        return JsonObject(tuple(members), self.span(start, self.at))


def _number(text: str, span: Span) -> ast.Expr:
    if text.startswith("-"):
        return ast.Negative(ast.Number(read_number(text[1:]), "", span), span)
    return ast.Number(read_number(text), "", span)
