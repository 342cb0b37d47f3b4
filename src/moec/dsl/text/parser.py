"""From text to AST, going on after a mistake so that several come out at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from lark import Token, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from moec.diagnostics import Diagnostic, Span
from moec.dsl.text import ast
from moec.dsl.text.brackets import CLOSERS
from moec.dsl.text.grammar import grammar
from moec.dsl.text.tokens import MOST_MISTAKES, Tokens, tokenize
from moec.dsl.text.wording import syntax_error

EDITION = 1


@lru_cache(maxsize=64)
def parse(text: str, file: str) -> tuple[ast.File | None, tuple[Diagnostic, ...]]:
    """The AST of a whole file. A field or statement with a mistake is left out and its block marked damaged.

    None when the brackets do not match: then nothing can be said about what belongs where.
    """
    tokens, found = tokenize(text, file)
    tree = _parse_tokens(tokens, "file", file, found) if tokens.balanced else None
    if tree is None:
        return None, tuple(found)
    result: ast.File = replace(tree, damaged=True) if found else tree
    if not result.statements:
        result = replace(result, span=Span(file, 1, 1, 1, 1))
    found += _check_edition(result, file)
    return result, tuple(found)


def parse_setting(text: str, file: str) -> tuple[tuple[ast.Path, ast.Expr] | None, tuple[Diagnostic, ...]]:
    """One `--set`: a path and the value it is given."""
    tokens, found = tokenize(text, file)
    tree = _parse_tokens(tokens, "setting", file, found) if tokens.balanced and not found else None
    return tree, tuple(found)


def parse_value(text: str, file: str, at: Span) -> ast.Expr | None:
    """A value of the language on its own, all of it at `at`; None when `text` is not one."""
    tokens, found = tokenize(text, file, at)
    tree: ast.Expr | None = _parse_tokens(tokens, "value", file, found) if tokens.balanced and not found else None
    return tree


@dataclass(frozen=True, slots=True)
class _Stop:
    """Where the parser could not go on, and what it could have gone on with."""

    index: int
    token: Token
    accepted: set[str]


def _parse_tokens(tokens: Tokens, start: str, file: str, found: list[Diagnostic]) -> Any:
    lines = {d.span.line for d in found if d.span is not None}
    for _ in range(MOST_MISTAKES):
        outcome = _attempt(tokens.tokens, start, file)
        if not isinstance(outcome, _Stop):
            return outcome
        previous = tokens.tokens[outcome.index - 1] if outcome.index else None
        following = next(iter(tokens.tokens[outcome.index + 1 : outcome.index + 2]), None)
        # A character that was masked leaves a hole; what follows from the hole is no mistake of its own.
        if outcome.token.value.line not in lines or start != "file":
            found.append(syntax_error(outcome.token, previous, following, outcome.accepted))
        if start != "file":
            return None
        tokens = _leave_out(tokens, outcome.index)
    return None


def _attempt(tokens: tuple[Token, ...], start: str, file: str) -> Any:
    """The AST, or where it stopped."""
    parser = grammar().parse_interactive(start=start)
    for index, token in enumerate(tokens):
        try:
            parser.feed_token(token)
        except UnexpectedToken:
            return _Stop(index, token, _accepted(parser))
    end = Token("$END", "")
    end.value = _end_of(tokens, file)
    try:
        return parser.feed_token(end)
    except UnexpectedToken:
        return _Stop(len(tokens), end, _accepted(parser))


def _accepted(parser: InteractiveParser) -> set[str]:
    accepted: set[str] = parser.accepts()  # type: ignore[no-untyped-call]
    return accepted


def _end_of(tokens: tuple[Token, ...], file: str) -> Span:
    if not tokens:
        return Span(file, 1, 1, 1, 1)
    last: Span = tokens[-1].value
    return Span(file, last.end_line, last.end_column, last.end_line, last.end_column + 1)


def _leave_out(tokens: Tokens, at: int) -> Tokens:
    """Put `_DAMAGED` in the place of the field or statement that holds token `at`."""
    opener = _enclosing_brace(tokens, at)
    start, end = _stretch(tokens, at, opener)
    while start == end or tokens.tokens[start].type == "_DAMAGED":
        if opener is None:
            start, end = 0, len(tokens.tokens)
            break
        # Nothing left to leave out inside: leave out the field that the brace belongs to.
        around = _enclosing_brace(tokens, opener)
        start, end = _stretch(tokens, opener, around)
        opener = around
    hole = Token("_DAMAGED", "")
    hole.value = tokens.tokens[start].value
    return _renumbered((*tokens.tokens[:start], hole, *tokens.tokens[end:]))


def _enclosing_brace(tokens: Tokens, at: int) -> int | None:
    """The innermost `{` before `at` whose `}` is at or after it."""
    for i in range(at - 1, -1, -1):
        if tokens.tokens[i].type == "LBRACE" and tokens.partner[i] >= at:
            return i
    return None


def _stretch(tokens: Tokens, at: int, opener: int | None) -> tuple[int, int]:
    """The tokens from one separator to the next around `at`, directly inside the brace `opener` (None: the file)."""
    first = 0 if opener is None else opener + 1
    last = len(tokens.tokens) if opener is None else tokens.partner[opener]
    start = i = first
    while i < last:
        if tokens.tokens[i].type in CLOSERS:
            i = tokens.partner[i]
        elif tokens.tokens[i].type in ("_NEWLINE", "COMMA"):
            if i >= at:
                return start, i
            start = i + 1
        i += 1
    return start, last


def _renumbered(tokens: tuple[Token, ...]) -> Tokens:
    partner: dict[int, int] = {}
    stack: list[int] = []
    for i, token in enumerate(tokens):
        if token.type in CLOSERS:
            stack.append(i)
        elif token.type in CLOSERS.values():
            partner[stack[-1]] = i
            partner[i] = stack.pop()
    return Tokens(tokens, partner, True)


def _check_edition(file: ast.File, name: str) -> list[Diagnostic]:
    """The first line names the edition, once, and it is one that this version reads."""
    editions = [s for s in file.statements if isinstance(s, ast.Edition)]
    found = [
        Diagnostic("M009", f"edition {e.number} of the language is not known", e.span, help=f"write `moe {EDITION}`")
        for e in editions
        if e.number != EDITION
    ]
    first = next(iter(file.statements), None)
    if not isinstance(first, ast.Edition) and (editions or not file.damaged):
        late = editions[0].span if editions else Span(name, 1, 1, 1, 2)
        found.append(
            Diagnostic("M004", "the first line names the edition", late, help=f"begin the file with `moe {EDITION}`")
        )
    elif len(editions) > 1:
        found.append(Diagnostic("M004", "the edition is named twice", editions[1].span, help="remove this line"))
    return found
