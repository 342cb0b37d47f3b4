"""What a file of recorded requests says, and what may be wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from moec.arrays import Ints
from moec.diagnostics import Diagnostic

SHOWN = 5

MOST_TOKENS = 2**31 - 1
"""Of a prompt or an answer."""
MOST_NS = 2**61
"""The latest arrival, some 73 years: the whole run then stays within 64-bit nanoseconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Requests in file order. `arrival_ns` is None when the file has no times; `token_ids` as in `RequestStream`."""

    input_tokens: Ints
    output_tokens: Ints
    arrival_ns: Ints | None
    request_id: tuple[str, ...] | None = None
    token_ids: tuple[Ints, ...] | None = None
    tokens_per_id: int = 1


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line (1-based) that cannot be read, and why."""

    line: int
    why: str


def out_of_range(value: float, least: int, most: int) -> str:
    """What is wrong with a number of a trace; empty when nothing is."""
    if value < least:
        return f"at least {least} is needed"
    return "which is too large" if value > most else ""


def short(text: str) -> str:
    """As much of `text` as a message can take."""
    return text if len(text) < 120 else text[:117] + "…"


def bad_lines(name: str, bad: Sequence[BadLine]) -> list[Diagnostic]:
    """The first few lines one by one, the rest counted."""
    found = [
        Diagnostic("M512", f"line {b.line} of `{name}` {b.why}", help="mend or remove the line") for b in bad[:SHOWN]
    ]
    if len(bad) > SHOWN:
        found.append(Diagnostic("M512", f"{len(bad) - SHOWN} more lines of `{name}` cannot be read"))
    return found
