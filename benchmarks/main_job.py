"""Times the main job as a user sees it: whole processes, start-up included.

python benchmarks/main_job.py [--repeats N] [--case NAME ...]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SPECS = ROOT / "benchmarks" / "specs"
RECORDED = ROOT.parent / "shared" / "validation" / "workloads" / "sharegpt-qwen3-30b-a3b-300-sps10.jsonl"
MOEC = Path(sysconfig.get_path("scripts")) / "moec"


@dataclass(frozen=True, slots=True)
class Case:
    """A command line and the most that it may take, in seconds."""

    name: str
    arguments: tuple[str, ...]
    limit_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians over the runs: whole process, and the part of it that simulated (0 where nothing was)."""

    process_s: float
    simulation_s: float


def cases() -> list[Case]:
    """The cases; the recorded trace is used where it is at hand, else the one shipped with the examples."""
    recorded = [] if not RECORDED.exists() else ["--set", f'workload.requests.file="{RECORDED}"']
    simulate = ("simulate", "--json")
    return [
        Case("help", ("--help",), 0.3),
        Case("recorded_300", (*simulate, str(SPECS / "recorded_300.moe"), *recorded), 3.0),
        Case("requests_10k_h100", (*simulate, str(SPECS / "requests_10k_h100.moe")), 10.0),
        Case("wide_ep_10k", (*simulate, str(SPECS / "wide_ep_10k.moe")), 20.0),
    ]


def measure(case: Case, repeats: int) -> Measured:
    """Runs `case` once to warm the caches, then `repeats` times."""
    runs = [_run(case) for _ in range(repeats + 1)][1:]
    return Measured(*(statistics.median(column) for column in zip(*runs, strict=True)))


def _run(case: Case) -> tuple[float, float]:
    start = time.perf_counter()
    done = subprocess.run([str(MOEC), *case.arguments], capture_output=True, text=True, check=False)
    elapsed = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{case.name}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    simulated = float(json.loads(done.stdout)["wall_s"]) if "--json" in case.arguments else 0.0
    return elapsed, simulated


def main(arguments: Sequence[str]) -> None:
    """Prints one row per case."""
    parser = argparse.ArgumentParser(description="Time the main job, whole processes.")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--case", action="append", choices=[case.name for case in cases()])
    options = parser.parse_args(arguments)
    print(f"{'case':<20} {'process':>9} {'simulation':>11} {'limit':>8}")
    for case in cases():
        if options.case and case.name not in options.case:
            continue
        found = measure(case, options.repeats)
        late = "" if found.process_s <= case.limit_s else "  too slow"
        print(f"{case.name:<20} {found.process_s:>7.2f} s {found.simulation_s:>9.2f} s {case.limit_s:>6.1f} s{late}")


if __name__ == "__main__":
    main(sys.argv[1:])
