"""What moec says about a user's text: spans, diagnostics and how they are printed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from moec.diagnostics.counts import counted

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of text: `file` as the user named it, 1-based line and column, end exclusive on its own line."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Label:
    """A secondary span with its remark: a cause of the primary one."""

    span: Span
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", counted(self.text))


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake or warning, as a value.

    `code` is the family and number (`M301`), `title` a lower-case sentence that names the thing, `label` the remark
    under the primary span, `labels` the causes, `help` the fix. `span` is None only for things without a place in
    text (a command-line `--set`, a missing file named on the command line). `quoted`: the last lines of an outside tool.
    """

    code: str
    title: str
    span: Span | None = None
    label: str = ""
    labels: tuple[Label, ...] = ()
    help: str = ""
    severity: Severity = "error"
    quoted: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("title", "label", "help"):
            object.__setattr__(self, name, counted(getattr(self, name)))


@dataclass(frozen=True, slots=True)
class Report:
    """Diagnostics in source order, with the texts they point into (`file -> text`)."""

    diagnostics: tuple[Diagnostic, ...] = ()
    sources: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """How many mistakes there are, and their codes; the texts that they point into may be long."""
        codes = ", ".join(dict.fromkeys(d.code for d in self.diagnostics))
        errors = sum(d.severity == "error" for d in self.diagnostics)
        return f"Report(errors={errors}, warnings={len(self.diagnostics) - errors}{f': {codes}' if codes else ''})"

    @property
    def failed(self) -> bool:
        """True when at least one diagnostic is an error."""
        return any(d.severity == "error" for d in self.diagnostics)


class Refused(Exception):
    """Carries diagnostics out of a place where nobody can take them as values: an outside program, an outside package."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("; ".join(d.title for d in self.diagnostics))


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """True when at least one of `diagnostics` is an error."""
    return any(d.severity == "error" for d in diagnostics)
