"""`moec explain`: where the memory and the time of an experiment go."""

from __future__ import annotations

from moec.cli.console import FINE, diagnostics_json, fail, note_report, say, say_json
from moec.cli.options import BackendName, File, Json, Name, Seed, Set
from moec.dsl.diagnostics import Diagnostic, Report


def explain(
    file: File,
    backend: BackendName = "fast",
    overrides: Set = None,
    seed: Seed = None,
    experiment: Name = None,
    as_json: Json = False,
) -> int:
    """Show where FILE's memory and time go.

    Parameters, one GPU's memory, and of one full iteration of each phase the op table, the critical path and what the
    exchanges wait for.
    """
    from moec.cli.loading import session_of
    from moec.report.explanation import explanation
    from moec.report.phases import session_phases

    session, report = session_of(file, experiment=experiment, overrides=overrides or (), seed=seed, backend=backend)
    if session is None:
        return fail(report, as_json=as_json)
    typical, phases = session_phases(session, studied=True)
    if not all(phase.ops for phase in phases):
        title = f"backend `{backend}` times whole iterations, not the operations in them"
        return fail(
            Report(
                (Diagnostic("M198", title, help="leave `--backend` out: the fast estimator times every operation"),)
            ),
            as_json=as_json,
        )
    memory = session.prepared.memory
    if as_json:
        from moec.dsl.export import to_json

        found = explanation(session.experiment, memory, phases, typical, to_json(session.experiment))
        say_json({**found, "diagnostics": diagnostics_json(report.diagnostics)})
        return FINE
    from moec.report.explain_tables import explain_report
    from moec.report.style import as_text

    note_report(report)
    say(as_text(explain_report(session.experiment, memory, phases, typical)))
    return FINE
