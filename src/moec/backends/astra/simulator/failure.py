"""How a run of the simulator fails: diagnostics with the codes of outside tools, and the exception that carries them."""

from __future__ import annotations

from collections.abc import Iterable

from moec.diagnostics import Diagnostic, Refused

NOT_FOUND, UNUSABLE, BROKE, SILENT, TOO_LONG, NO_ROOM = "M601", "M602", "M603", "M604", "M605", "M606"
"""No binary; inputs that cannot be run; the binary broke off; it ended without finishing; too slow; no resources."""
QUOTED_LINES = 8


class SimulatorError(Refused):
    """A run of the simulator failed where nobody can take a diagnostic: the machine is broken, not the specification."""


def unusable(title: str, help: str = "") -> Diagnostic:
    """The inputs cannot be run."""
    return Diagnostic(UNUSABLE, title, help=help)


def quoting(code: str, title: str, lines: Iterable[str], help: str = "") -> Diagnostic:
    """A diagnostic with the last lines that the simulator printed."""
    last = [line.rstrip() for line in lines if line.strip()][-QUOTED_LINES:]
    return Diagnostic(code, title, help=help, quoted=tuple(last) or ("(it printed nothing)",))
