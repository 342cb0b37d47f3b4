"""What a syntax error is called: what stands there, what could have stood there, and the likely slip."""

from __future__ import annotations

from lark import Token

from moec.diagnostics import Diagnostic, Span
from moec.diagnostics.nearest import did_you_mean, enumerated
from moec.diagnostics.not_yet import cannot_yet
from moec.dsl.units import UNITS

# Terminals in the words of a reader, the likeliest first; a value and a name are asked for as such.
_WORDS = {
    "EQUAL": "`=`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "COLON": "`:`",
    "IN": "`in`",
    "OF": "`of`",
    "VARY": "`vary`",
    "WHERE": "`where`",
    "CMP": "a comparison",
    "RPAR": "`)`",
    "RSQB": "`]`",
    "COMMA": "a comma",
    "_NEWLINE": "a new line",
}
_UNITS = "units are `us ms s`, `KB MB GB`, `GB/s Gb/s`, `req/s`, `TFLOPS`, `tokens`, and their like"
RESERVED = frozenset({"USE", "AS", "BY", "IN", "OF", "VARY", "WHERE", "TRUE", "FALSE", "SWEEP"})
_VALUE = {"NUMBER", "STRING", "LSQB"}


def syntax_error(token: Token, previous: Token | None, following: Token | None, accepted: set[str]) -> Diagnostic:
    """The diagnostic of a `token` that cannot follow `previous`, where `accepted` terminals can."""
    if previous is not None and _is_unit(previous, token, following):
        return _unknown_unit(previous, token)
    return Diagnostic(
        "M001", f"unexpected {_shown(token)}", token.value, _expected(accepted), help=_hint(token, previous, accepted)
    )


def _is_unit(number: Token, word: Token, following: Token | None) -> bool:
    """Whether `word` is meant as the unit of the number before it, rather than as the next field."""
    if number.type != "NUMBER" or word.type != "NAME" or number.line != word.line:
        return False
    next_field = following is not None and following.type in ("EQUAL", "LBRACE", "NAME")
    return word.value.column - number.value.end_column <= 1 and not next_field


def _unknown_unit(number: Token, unit: Token) -> Diagnostic:
    span = Span(number.value.file, number.line or 1, number.column or 1, number.line or 1, unit.value.end_column)
    if str(unit) == "experts":
        return cannot_yet("the unit `experts`", span)
    return Diagnostic("M008", f"unknown unit `{unit}`", span, help=did_you_mean(str(unit), UNITS) or _UNITS)


def _shown(token: Token) -> str:
    match token.type:
        case "_NEWLINE":
            return "end of the line"
        case "$END":
            return "end of the file"
        case _:
            return f"`{token}`"


def _expected(accepted: set[str]) -> str:
    words = []
    if accepted >= _VALUE:
        words.append("a value")
    elif "NAME" in accepted:
        words.append("a name")
    elif "STRING" in accepted:
        words.append("a string")
    words += [word for terminal, word in _WORDS.items() if terminal in accepted and len(words) < 4]
    return f"expected {enumerated(words, 'or')}" if words else ""


def _hint(token: Token, previous: Token | None, accepted: set[str]) -> str:
    kind = token.type
    if token.value.file.startswith("--set") and (kind == "LBRACE" or previous is None):
        return "an override gives one field a value: `--set a.b.c=value`; repeat it for more"
    if kind in RESERVED and "NAME" in accepted:
        return f"`{token}` is a word of the language; choose another name"
    if kind == "COLON" and "EQUAL" in accepted:
        return "a field is written `name = value`"
    if kind == "EQUAL" and "COLON" in accepted:
        return "an argument is written `name: value`"
    if "_NEWLINE" in accepted and kind == "NAME":
        return f"put a comma before `{token}`"
    if "_NEWLINE" in accepted and kind in ("NUMBER", "STRING"):
        return "a comma or a new line ends a field"
    if kind in ("_NEWLINE", "$END") and "LBRACE" in accepted and "EQUAL" in accepted:
        return "a definition is written `kind name { … }` or `kind name = base { … }`"
    if kind == "LBRACE" and previous is not None and previous.type == "EQUAL":
        return "a block follows its name without `=`"
    return ""
