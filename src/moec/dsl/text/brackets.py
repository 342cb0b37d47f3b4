"""Which bracket closes which, and whom to blame when one is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lark import Token

from moec.diagnostics import Diagnostic, Label

DEEPEST = 32
CLOSERS = {"LBRACE": "RBRACE", "LPAR": "RPAR", "LSQB": "RSQB"}
_OPENERS = {closer: opener for opener, closer in CLOSERS.items()}
_SIGNS = {"{": "}", "(": ")", "[": "]"}


_BEGINNING = frozenset({"NAME", "USE", "SWEEP", "VARY", "WHERE"})
"""What can only begin a field or a statement right after a closing brace, which has ended the one before."""


@dataclass(slots=True)
class Matched:
    """Tokens without the newlines inside ( ) and [ ], with a comma after each `}` that the next field follows at once.

    `partner[i]` is the index of the bracket that belongs to bracket `i`.
    """

    tokens: list[Token] = field(default_factory=list)
    partner: dict[int, int] = field(default_factory=dict)
    mistakes: list[Diagnostic] = field(default_factory=list)


def match_brackets(tokens: Iterable[Token]) -> Matched:
    """Pair the brackets; the mistakes say what is not paired."""
    matched = Matched()
    stack: list[int] = []
    for token in tokens:
        inside = matched.tokens[stack[-1]].type if stack else "LBRACE"
        if token.type == "_NEWLINE" and inside != "LBRACE":
            continue
        if token.type in _OPENERS and not _close(token, matched, stack):
            continue
        if token.type in _BEGINNING and matched.tokens and matched.tokens[-1].type == "RBRACE":
            matched.tokens.append(_comma_before(token))
        if token.type in CLOSERS:
            stack.append(len(matched.tokens))
            if len(stack) == DEEPEST + 1:
                title = f"more than {DEEPEST} brackets inside each other"
                matched.mistakes.append(Diagnostic("M007", title, token.value, help="take some of them out"))
                return matched
        matched.tokens.append(token)
    if stack:
        matched.mistakes.append(_never_closed(matched, stack))
    return matched


def _close(token: Token, matched: Matched, stack: list[int]) -> bool:
    """Pair the closing bracket `token`; False when it closes nothing."""
    wanted = _OPENERS[token.type]
    if not any(matched.tokens[i].type == wanted for i in stack):
        title = f"this `{token}` closes nothing"
        matched.mistakes.append(Diagnostic("M003", title, token.value, help="remove it"))
        return False
    while matched.tokens[stack[-1]].type != wanted:
        opener = matched.tokens[stack.pop()]
        matched.mistakes.append(_unclosed(opener, Label(token.value, "before this")))
    matched.partner[stack[-1]] = len(matched.tokens)
    matched.partner[len(matched.tokens)] = stack.pop()
    return True


def _comma_before(token: Token) -> Token:
    """The separator that the writer may leave out after a closing brace."""
    comma = Token("COMMA", ",", line=token.line, column=token.column)
    comma.value = token.value
    return comma


def _unclosed(opener: Token, *labels: Label) -> Diagnostic:
    title = f"this `{opener}` is never closed"
    return Diagnostic("M002", title, opener.value, labels=labels, help=f"add `{_SIGNS[str(opener)]}`")


def _never_closed(matched: Matched, stack: list[int]) -> Diagnostic:
    """The bracket whose partner is indented as another's, if there is one, else the last that stays open."""
    for opener, closer in sorted(matched.partner.items()):
        if opener < closer and _first_on_line(matched, closer) and _indent(matched, opener) != _column(matched, closer):
            return _unclosed(matched.tokens[opener], Label(matched.tokens[closer].value, "this closes another"))
    return _unclosed(matched.tokens[stack[-1]])


def _column(matched: Matched, index: int) -> int:
    column: int = matched.tokens[index].value.column
    return column


def _first_on_line(matched: Matched, index: int) -> bool:
    return index > 0 and matched.tokens[index - 1].type == "_NEWLINE"


def _indent(matched: Matched, index: int) -> int:
    """The column in which the line of a token begins."""
    while index > 0 and matched.tokens[index - 1].type != "_NEWLINE":
        index -= 1
    return _column(matched, index)
