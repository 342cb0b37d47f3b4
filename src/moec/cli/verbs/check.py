"""`moec check`: all mistakes of a file at once, and whether what it describes fits."""

from __future__ import annotations

from moec.cli.console import FINE, diagnostics_json, exit_code, note_report, say, say_json
from moec.cli.options import File, Json


def check(file: File, as_json: Json = False) -> int:
    """Say what is wrong in FILE, or how it fits.

    All mistakes of all experiments come out at once, each with its place and its fix.
    """
    from moec.cli.loading import check_sessions
    from moec.report.explanation import memory_json
    from moec.report.wording import feasibility

    sessions, report = check_sessions(file)
    code = exit_code(report.diagnostics)
    if as_json:
        fits = {s.experiment.name: memory_json(s.prepared.memory) for s in sessions}
        say_json({"ok": code == FINE, "experiments": fits, "diagnostics": diagnostics_json(report.diagnostics)})
        return code
    note_report(report)
    if code == FINE:
        for session in sessions:
            say(feasibility(session.experiment, session.prepared.memory))
        if not sessions:
            say(f"{file}: no mistakes; it has no experiment")
    return code
