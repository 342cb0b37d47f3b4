"""What is to become of a verb's results: printed how, written where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from moec.diagnostics import Diagnostic


@dataclass(frozen=True, slots=True)
class Ending:
    """`-o`, `--force`, `--json` and `--quiet`."""

    output: Path | None
    force: bool
    as_json: bool
    quiet: bool

    def check(self) -> list[Diagnostic]:
        """Why nothing could be written there."""
        return target_faults(self.output, force=self.force)


def target_faults(output: Path | None, *, force: bool) -> list[Diagnostic]:
    """Why nothing could be written to `-o`, with `--force` or without."""
    from moec.report.output_folder import check_target

    if output is not None:
        return check_target(output, force=force)
    return [Diagnostic("M090", "`--force` without `-o`", help="name the folder: `-o DIR`")] if force else []
