"""What ASTRA-sim does instead of giving a time: it hangs, aborts, crashes or exits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["hangs", "loops", "aborts", "crashes", "exits", "unsupported"]

SIGABRT, SIGSEGV, EXIT_NETWORK = -6, -11, 255


@dataclass(frozen=True, slots=True)
class Refusal:
    """`outcome`: `hangs` is exit status 0 without all finish lines, `loops` never returns, `aborts` an assertion,
    `crashes` a segmentation fault, `unsupported` that only moec cannot say. `status` is the process's (negative: the signal), None when it never returns.
    """

    outcome: Outcome
    status: int | None
    reason: str


class Stopped(Exception):
    """Ends a simulation from inside an event, as an assertion ends the simulator's process."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


def hangs(reason: str) -> Refusal:
    """Exit status 0, but not every rank finished."""
    return Refusal("hangs", 0, reason)


def aborts(reason: str) -> Refusal:
    """A failed assertion."""
    return Refusal("aborts", SIGABRT, reason)


def crashes(reason: str) -> Refusal:
    """A segmentation fault."""
    return Refusal("crashes", SIGSEGV, reason)
