"""Texts that are no specification: refused in one sentence, and not shown."""

from __future__ import annotations

import re

from moec.diagnostics import Diagnostic, Span
from moec.diagnostics.foreign import recognised

_EDITION = re.compile(r"\bmoe[ \t]+[0-9]")
_DEFINITION = re.compile(r"^[ \t]*[A-Za-z_]\w*[ \t]+[A-Za-z_]\w*[ \t]*[={]|^[ \t]*use[ \t]+\"", re.MULTILINE)
_JSON_EDITION = re.compile(r'"moe"\s*:')


def not_a_specification(text: str, named: str, *, is_json: bool, at: Span | None) -> Diagnostic | None:
    """A diagnostic at the place `at` that names the file, if nothing in `text` is of the language.

    What only has a slip in it, such as a specification without its first line, is left to the parser.
    """
    if is_json:
        foreign = recognised(text)
        known = at is not None or (foreign is not None and bool(foreign.advice))
        return (
            _refused(text, named, at, 'begins with `{"moe": 1, …`')
            if known and not _JSON_EDITION.search(text)
            else None
        )
    if not text.strip() or _EDITION.search(text) or (_DEFINITION.search(text) and recognised(text) is None):
        return None
    return _refused(text, named, at, "begins with the line `moe 1`")


def _refused(text: str, named: str, at: Span | None, wanted: str) -> Diagnostic | None:
    foreign = recognised(text)
    looks = f"; it looks like {foreign.looks}" if foreign is not None else ""
    advice = f": {foreign.advice}" if foreign is not None and foreign.advice else ""
    title = f"`{named}` is no specification{looks}"
    if at is None:
        at = Span(named, 1, 1, 1, 1)
    return Diagnostic("M004", title, at, help=f"a specification {wanted}{advice}")
