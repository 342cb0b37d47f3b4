"""Times the writing of traces as a user sees it: `moec compile`, whole processes, with their peak memory.

python benchmarks/trace_writing.py [--repeats N]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SPECS = Path(__file__).resolve().parent / "specs"
MOEC = Path(sysconfig.get_path("scripts")) / "moec"


@dataclass(frozen=True, slots=True)
class Case:
    """A specification, the iteration to write, and the most that it may take."""

    name: str
    iteration: int
    limit_s: float
    limit_mib: float


CASES = (Case("traces_tp2048", 0, 15.0, 1024.0), Case("traces_ep320", 5, 60.0, float("inf")))


@dataclass(frozen=True, slots=True)
class Written:
    """One run: the process's seconds by the clock and of a core, MiB at its peak; nodes in the ranks' traces and in the sets
    beside them; MB on disk.
    """

    seconds: float
    core: float
    mib: float
    nodes: int
    set_nodes: int
    megabytes: float


def write(case: Case) -> Written:
    """Compile into a temporary folder."""
    with tempfile.TemporaryDirectory() as place:
        target = Path(place) / "traces"
        command = [str(MOEC), "compile", str(SPECS / f"{case.name}.moe"), "-o", str(target)]
        start = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--iterations", str(case.iteration), "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        if status:
            raise SystemExit(f"{case.name}: `moec compile` failed\n{text.decode()}")
        (row,) = json.loads(text)["iterations"]
        size = sum(p.stat().st_size for p in target.rglob("*") if p.is_file())
    core = usage.ru_utime + usage.ru_stime
    return Written(seconds, core, usage.ru_maxrss / 1024, row["nodes"], row["set_nodes"], size / 1e6)


def main(arguments: Sequence[str]) -> None:
    """Prints one row per case: medians."""
    parser = argparse.ArgumentParser(description="Time the writing of traces.")
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args(arguments).repeats
    print(
        f"{'case':<16} {'process':>9} {'limit':>8} {'core':>9} {'peak':>10} {'nodes':>11} {'in sets':>12} {'on disk':>10}"
    )
    for case in CASES:
        runs = [write(case) for _ in range(repeats)]
        columns = zip(*((r.seconds, r.core, r.mib) for r in runs), strict=True)
        seconds, core, mib = (statistics.median(column) for column in columns)
        late = "" if seconds <= case.limit_s and mib <= case.limit_mib else "  too slow or too large"
        print(
            f"{case.name:<16} {seconds:>7.2f} s {case.limit_s:>6.0f} s {core:>7.2f} s {mib:>6.0f} MiB {runs[0].nodes:>11,}"
            f" {runs[0].set_nodes:>12,} {runs[0].megabytes:>7.0f} MB{late}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
