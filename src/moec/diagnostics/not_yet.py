"""The honest answer to what the language has and this version cannot simulate."""

from __future__ import annotations

from moec.diagnostics.diagnostic import Diagnostic, Span


def cannot_yet(what: str, span: Span, help: str = "") -> Diagnostic:
    """The honest answer."""
    return Diagnostic(
        "M190",
        f"{what} is in the language, but this version of moec cannot simulate it yet",
        span,
        "not supported yet",
        help=help or "leave it out",
    )
