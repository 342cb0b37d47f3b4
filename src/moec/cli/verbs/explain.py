"""`moec explain`: where the memory and the time of an experiment go."""

from __future__ import annotations

from moec.cli.console import FINE, diagnostics_json, fail, note_report, say, say_json
from moec.cli.options import AstraSim, BackendName, File, Json, Name, Seed, Set


def explain(
    file: File,
    backend: BackendName = None,
    astra_sim: AstraSim = None,
    overrides: Set = None,
    seed: Seed = None,
    experiment: Name = None,
    as_json: Json = False,
) -> int:
    """Show where FILE's memory and time go.

    Parameters, one GPU's memory, and of one full iteration of each phase the op table, the critical path and what the
    exchanges wait for. Operations are timed by the fast estimator; another backend's time of the whole iteration stands
    beside its own.
    """
    from moec.cli.loading import session_of
    from moec.report.explanation import explanation
    from moec.run.phases import phases_of, typical_of

    session, report = session_of(
        file, experiment=experiment, overrides=overrides or (), seed=seed, backend=backend, binary=astra_sim
    )
    if session is None:
        return fail(report, as_json=as_json)
    typical = typical_of(session)
    phases, who = phases_of(session, typical, compare=True, studied=True), session.backend_name
    memory = session.prepared.memory
    if as_json:
        from moec.dsl.export import to_json

        found = explanation(session.experiment, memory, phases, typical, to_json(session.experiment), who)
        say_json({**found, "diagnostics": diagnostics_json(report.diagnostics)})
        return FINE
    from moec.report.explain_tables import explain_report
    from moec.report.style import as_text

    note_report(report)
    say(as_text(explain_report(session.experiment, memory, phases, typical, who)))
    return FINE
