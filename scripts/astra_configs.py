#!/usr/bin/env python3
"""Writes astra-sim/configs from its clusters.moe with moec's own templates; `--check` only compares."""

from __future__ import annotations

import sys
from pathlib import Path

from moec.backends.astra.files.configs import configs
from moec.backends.astra.files.settings import Congestion, settings_of
from moec.dsl.load import check_file
from moec.dsl.schema import AstraOptions

FOLDER = Path(__file__).resolve().parents[1] / "astra-sim" / "configs"
KINDS: tuple[Congestion, ...] = ("aware", "unaware")


def main() -> int:
    """0 when the configurations are up to date or have been written, 1 when `--check` finds they are not."""
    stale = [
        path for path, text in ready_made().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(FOLDER)} is not what the templates make; run scripts/astra_configs.py")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ready_made()[path], encoding="utf-8")
    return 0


def ready_made() -> dict[Path, str]:
    """Every file of every cluster."""
    experiments, report = check_file(FOLDER / "clusters.moe")
    if report.failed:
        raise ValueError(report.diagnostics)
    found = {}
    for experiment in experiments:
        world = experiment.cluster.nodes * experiment.cluster.node.devices
        for congestion in KINDS:
            settings, _ = settings_of(experiment, AstraOptions(), congestion, world, custom=False)
            for name, text in configs(settings).items():
                found[FOLDER / experiment.name / congestion / name] = text
    return found


if __name__ == "__main__":
    sys.exit(main())
