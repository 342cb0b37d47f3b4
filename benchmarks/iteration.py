"""Times one iteration of a mixture on 10,240 GPUs, whole processes: start-up, routing, lowering and timing.

python benchmarks/iteration.py [--repeats N]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SPEC = Path(__file__).resolve().parent / "specs" / "iteration_10240.moe"
STAGES = (
    "parallelism.pp=32",
    "parallelism.attention.dp=320",
    "parallelism.experts.ep=320",
    "parallelism.experts.redundant=64",
)


@dataclass(frozen=True, slots=True)
class Case:
    """Overrides of the specification, and how routing is taken; every attention rank decodes `SEQUENCES` requests."""

    name: str
    overrides: tuple[str, ...]
    mode: str


CASES = (
    Case("flat_expected", (), "expected"),
    Case("stages_expected", STAGES, "expected"),
    Case("stages_drawn", STAGES, "drawn"),
)
SEQUENCES, CONTEXT = 64, 1000
LIMIT_S = 5.0


def one(case: Case) -> None:
    """Times the iteration and prints what came out."""
    import numpy as np

    from moec.backends.fast.backend import FastBackend
    from moec.compiler.ir.batch import RankBatch
    from moec.compiler.lower import lower, program_of
    from moec.compiler.prepare import prepare
    from moec.dsl.load import load

    experiment, report = load(str(SPEC), overrides=list(case.overrides))
    assert experiment is not None, report
    prepared, found = prepare(experiment)
    assert prepared is not None, found
    rank = RankBatch(np.ones(SEQUENCES, np.int64), np.full(SEQUENCES, CONTEXT))
    program = program_of(prepared.context)
    graph = lower(program, (rank,) * prepared.context.layout.dp, case.mode)  # type: ignore[arg-type]
    timing = FastBackend.of(experiment).run(graph)
    print(json.dumps({"ranks": graph.world, "ms": float(timing.makespan_ns) / 1e6}))


def run(case: Case) -> tuple[float, float, float, dict[str, float]]:
    """Seconds and processor seconds of the process, its peak MiB, and what it printed."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, __file__, "--one", case.name], stdout=subprocess.PIPE)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{case.name} failed")
    seconds = time.perf_counter() - start
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, json.loads(text)


def main(arguments: Sequence[str]) -> None:
    """Prints one row per case: medians."""
    parser = argparse.ArgumentParser(description="Time one iteration on 10,240 GPUs.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", choices=[case.name for case in CASES], help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        one(next(case for case in CASES if case.name == options.one))
        return
    print(f"{'case':<16} {'ranks':>7} {'iteration':>11} {'process':>9} {'processor':>10} {'peak':>10}")
    for case in CASES:
        runs = [run(case) for _ in range(options.repeats)]
        seconds, processor, mib = (statistics.median(r[i] for r in runs) for i in range(3))
        late = "" if seconds <= LIMIT_S else f"  more than {LIMIT_S:.0f} s"
        what = runs[0][3]
        print(
            f"{case.name:<16} {what['ranks']:>7,} {what['ms']:>8.2f} ms {seconds:>7.2f} s {processor:>8.2f} s {mib:>6.0f} MiB{late}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
