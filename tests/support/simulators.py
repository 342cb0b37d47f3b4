"""Stand-ins for the simulator: small scripts that print what it prints, or misbehave as it, or others, can."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

FINISHED = "[2026-11-22 00:36:49.384] [workload] [info] sys[{rank}] finished, {ns} cycles, exposed communication {exposed} cycles."
EXITING = "[2026-11-22 00:36:49.384] [system] [warning] Exiting"
AWARE, UNAWARE = "AstraSim_Analytical_Congestion_Aware", "AstraSim_Analytical_Congestion_Unaware"

HEADER = f"""#!{sys.executable}
import os, signal, subprocess, sys, time

def option(name):
    return next(a.partition("=")[2] for a in sys.argv if a.startswith("--" + name + "="))

def finish(*ranks, ns=1000, exposed=10):
    for rank in ranks:
        print({FINISHED!r}.format(rank=rank, ns=ns + rank, exposed=exposed))

def leave(code=0):
    print({EXITING!r}, flush=True)
    sys.exit(code)

"""


def fake(folder: Path, body: str, name: str = AWARE) -> Path:
    """A binary in `folder` that runs `body`, Python with `finish`, `leave` and `option` at hand."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(HEADER + body)
    path.chmod(0o755)
    return path


def real(congestion: str) -> Path:
    """The user's own simulator; skips the test without one."""
    place = os.environ.get("MOEC_ASTRA_SIM")
    if not place:
        pytest.skip("no simulator: MOEC_ASTRA_SIM is not set")
    name = AWARE if congestion == "aware" else UNAWARE
    path = Path(place) / name if Path(place).is_dir() else Path(place)
    if not path.exists() or ("unaware" in path.name.lower()) != (congestion == "unaware"):
        pytest.skip(f"no simulator: MOEC_ASTRA_SIM names no congestion-{congestion} binary")
    return path
