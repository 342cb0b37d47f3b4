"""A text cut into tokens with their spans, its brackets matched."""

from __future__ import annotations

from dataclasses import dataclass

import lark
from lark import Token

from moec.diagnostics import Diagnostic, Span
from moec.dsl.text.brackets import match_brackets
from moec.dsl.text.grammar import grammar

MOST_MISTAKES = 20
_CHARACTERS = "names are of letters, digits and `_`; remove it"
_HINTS = {
    "'": 'a string is written with `"`',
    ";": "a new line or a comma ends a field",
    "/": "a comment begins with `#`",
    ".": "write a zero before the point: `0.5`",
    "%": "write a share as a number: `0.9`",
}


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a text, `partner[i]` the index of the bracket that belongs to bracket `i`."""

    tokens: tuple[Token, ...]
    partner: dict[int, int]
    balanced: bool


def tokenize(text: str, file: str, at: Span | None = None) -> tuple[Tokens, list[Diagnostic]]:
    """Cut `text`. Each token's `value` is its span (`at` for all, when given), its text is `str(token)`."""
    found: list[Diagnostic] = []
    tokens = _lex(text, file, found)
    for token in tokens:
        token.value = at or _span(token, file)
    matched = match_brackets(tokens)
    found += matched.mistakes
    return Tokens(tuple(matched.tokens), matched.partner, not matched.mistakes), found


def _span(token: Token, file: str) -> Span:
    assert token.line is not None and token.column is not None
    if token.type == "_NEWLINE":
        return Span(file, token.line, token.column, token.line, token.column + 1)
    return Span(file, token.line, token.column, token.line, token.column + len(token))


def _lex(text: str, file: str, found: list[Diagnostic]) -> list[Token]:
    """Lark's tokens; what no terminal matches is reported, masked, and the text read again."""
    for _ in range(MOST_MISTAKES):
        try:
            return list(grammar().lex(text))
        except lark.UnexpectedCharacters as error:
            at = error.pos_in_stream or 0
            diagnostic, mask = _bad_text(text, at, Span(file, error.line, error.column, error.line, error.column + 1))
            found.append(diagnostic)
            text = text[:at] + mask + text[at + len(mask) :]
    return []


def _bad_text(text: str, at: int, here: Span) -> tuple[Diagnostic, str]:
    """What to say of the character at `at`, and what to read in its place."""
    line = text[at:].split("\n", 1)[0]
    if line[0] == '"':
        width = max(len(line.rstrip().rstrip(",})] \t")), 1)
        span = Span(here.file, here.line, here.column, here.line, here.column + width)
        title, help = "the string is not closed", 'a string ends with `"` on its line'
        # `=` can stand for no value: the field is left out, rather than read with another text.
        return Diagnostic("M006", title, span, help=help), "=" + " " * (width - 1)
    shown = line[0] if line[0].isprintable() else f"U+{ord(line[0]):04X}"
    return Diagnostic("M005", f"unexpected character `{shown}`", here, help=_HINTS.get(line[0], _CHARACTERS)), " "
