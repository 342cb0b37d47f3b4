"""How a check says what it found: fields by their paths, turned into spans of the user's text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from moec.diagnostics.diagnostic import Diagnostic, Label, Severity, Span


class Spanned(Protocol):
    """What knows which text its fields came from: an experiment. `spans`: dotted path -> place."""

    @property
    def spans(self) -> Mapping[str, Span]:
        """The fields that the user wrote."""
        ...

    def span(self, path: str) -> Span | None:
        """The place of `path`, or of its nearest enclosing field that the user wrote."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake by paths: the first of `paths` that the user wrote is the primary place, `causes` are (path, remark)."""

    code: str
    title: str
    paths: tuple[str, ...]
    label: str
    causes: tuple[tuple[str, str], ...] = ()
    help: str = ""
    severity: Severity = "error"


def diagnostic(experiment: Spanned, finding: Finding) -> Diagnostic:
    """The finding with its spans."""
    span = span_of(experiment, *finding.paths)
    labels = tuple(label for label in labels_of(experiment, finding.causes) if label.span != span)
    return Diagnostic(finding.code, finding.title, span, finding.label, labels, finding.help, finding.severity)


def span_of(experiment: Spanned, *paths: str) -> Span | None:
    """Where the first of `paths` that the user wrote is; failing that, the nearest enclosing block of any."""
    written = (experiment.spans[path] for path in paths if path in experiment.spans)
    enclosing = (span for path in paths if (span := experiment.span(path)) is not None)
    return next(written, None) or next(enclosing, None)


def labels_of(experiment: Spanned, causes: Iterable[tuple[str, str]]) -> tuple[Label, ...]:
    """Labels for the causes that have a place in the text: the field itself or, for blocks, what encloses it."""
    spans = ((experiment.spans.get(path), remark) for path, remark in causes)
    return tuple(Label(span, remark) for span, remark in spans if span is not None)


def divisors(n: int) -> list[int]:
    """Of `n`, ascending."""
    return [i for i in range(1, n + 1) if n % i == 0]


def listed(numbers: list[int]) -> str:
    """`1, 2 or 4`."""
    *most, last = (str(n) for n in numbers)
    return f"{', '.join(most)} or {last}" if most else last
