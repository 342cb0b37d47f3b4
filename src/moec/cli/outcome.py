"""What becomes of a finished simulation: its summary, its files and its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moec.cli.console import note, say
from moec.diagnostics import Diagnostic
from moec.report.metrics import summary
from moec.run.session import Session
from moec.serving.results import Results


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A session's results with their summary."""

    session: Session
    results: Results
    summary: Mapping[str, Any]
    overrides: Sequence[str]
    warnings: tuple[Diagnostic, ...]

    @classmethod
    def of(
        cls, session: Session, results: Results, overrides: Sequence[str], warnings: tuple[Diagnostic, ...]
    ) -> Outcome:
        """With the goals of the session's workload."""
        workload = session.experiment.workload
        figures = {
            "experiment": session.experiment.name,
            **summary(results, workload.goal if workload else None),
        }
        return cls(session, results, figures, overrides, warnings)

    def write(self, folder: Path, *, force: bool) -> list[Diagnostic]:
        """The files of the run, all or none."""
        from moec.report.output_folder import write_folder
        from moec.report.run_files import run_files
        from moec.run.phases import cost_sources, session_phases

        files = run_files(
            self.session.experiment,
            self.results,
            self.summary,
            overrides=self.overrides,
            costs=cost_sources(session_phases(self.session)),
            warnings=self.warnings,
        )
        return write_folder(folder, files, force=force)

    def show(self, folder: Path | None) -> None:
        """The table, on stdout; where the files are, on stderr."""
        from moec.report.limits import limits_of
        from moec.report.run_table import run_report
        from moec.report.style import as_text

        experiment = self.session.experiment
        limits = limits_of(self.results, experiment.serving, self.session.prepared.context.layout.dp)
        say(as_text(run_report(experiment, self.results, self.summary, limits)))
        if folder is not None:
            note(f"results in {folder}")
