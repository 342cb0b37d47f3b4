#!/usr/bin/env python3
"""Where the host's constants come from: single steps of recorded vLLM runs, not their end-to-end figures.

    python scripts/fit_host.py [VALIDATION]

`VALIDATION` is the folder of recorded runs, profiles and workloads (docs/validation.md); default: beside the repository.

- `gap` of `profile(…)`: after the last prompt of a run, between two requests that end, the engine has decoded whole steps
  with a batch that is known. What such a step takes longer than its kernels, by kernel. Batches of at most 20 requests
  a rank: attention, whose measured times for uneven contexts are the least certain, is short there.
- `overhead.step` and `sequence`: from the output of a step to the next look at the queue, by running requests. That is one
  of the four parts of the host's work (output, schedule, inputs, launch), the only one with a stamp at both ends.
- `overhead.admission`: from arrival to queue of requests that did not have to wait for a step to end.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from moec.compiler.ir.batch import Load, RankBatch, load_of
from moec.dsl.load import load
from moec.run.session import Session, open_session
from moec.study.validation.recorded import Recorded, read_run

ROOT = Path(__file__).resolve().parents[1]
RUNS = {
    "validate_llama_3_1_8b": "RTXPRO6000--Llama-3.1-8B",
    "validate_qwen3_30b_a3b": "RTXPRO6000--Qwen3-30B-A3B-Instruct-2507",
}
PARTS = 4
SAME_S, MOST_STEPS, MOST_A_RANK = 2e-3, 8, 20
NEAR_S = 1e-3
"""A look at the queue that soon after an output followed it at once."""


def main() -> None:
    """Every run's own constants, then those of both together."""
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "validation"
    gaps, lines, waits = list[float](), list[tuple[float, float]](), list[float]()
    for spec, folder in RUNS.items():
        run, found, _ = read_run(data / "vllm" / folder)
        if run is None:
            sys.exit(found[0].title)
        own = gaps_of(run, ROOT / "benchmarks" / "specs" / f"{spec}.moe", data / "profiles" / folder)
        turned, waited = np.array(list(turnarounds(run))), admissions(run)
        each, start = np.polyfit(*turned.T, 1)
        print(f"{folder}: gap {np.median(own) * 1e6:.2f} us, median of {len(own)} stretches of decode steps")
        print(f"  output to queue: {start * 1e6:.0f} us + {each * 1e6:.2f} us per request, {len(turned)} steps")
        print(f"  admission: {np.median(waited) * 1e3:.2f} ms, median of {len(waited)} requests")
        gaps, lines, waits = gaps + own, [*lines, (start, each)], waits + waited
    start, each = PARTS * np.mean(lines, axis=0)
    print(
        f"both: gap {np.median(gaps) * 1e6:.2f} us; step {start * 1e3:.2f} ms, sequence {each * 1e6:.2f} us", end=", "
    )
    print(f"{PARTS} times the mean line; admission {np.median(waits) * 1e3:.2f} ms")


def gaps_of(run: Recorded, spec: Path, profile: Path) -> list[float]:
    """Seconds per kernel, one figure for each stretch of decode steps."""
    sessions = [session(spec, f'costs=profile("{profile}", gap: {gap})') for gap in ("0 s", "1 us")]
    timers = [s.backend.steps(s.prepared.context) for s in sessions]
    dp = sessions[0].prepared.context.layout.dp
    found = []
    for seconds, batch in stretches(run, dp):
        alone, spaced = (float(timer.times(batch).latency_ns[0]) / 1e9 for timer in timers)
        kernels = (spaced - alone) / 1e-6
        steps = round(seconds / (alone + 1e-6 * kernels))
        if 1 <= steps <= MOST_STEPS:
            found.append((seconds / steps - alone) / kernels)
    return found


def session(spec: Path, override: str) -> Session:
    """The experiment of `spec` with other costs."""
    experiment, report = load(spec, overrides=[override])
    opened = open_session(experiment)[0] if experiment is not None else None
    if opened is None:
        sys.exit("; ".join(d.title for d in report.diagnostics))
    return opened


def stretches(run: Recorded, dp: int) -> Iterator[tuple[float, Load]]:
    """Seconds between two ends of requests after the last prompt, and what a step between them decodes."""
    ends = np.unique(run.last[run.last > run.first.max()])
    ends = ends[np.diff(ends, prepend=-1) > SAME_S]
    pace = (run.last - run.first) / np.maximum(run.output_tokens - 1, 1)
    order = np.argsort(run.first, kind="stable")
    for a, b in pairwise(ends):
        running = order[run.last[order] > a + SAME_S]
        if len(running) > MOST_A_RANK * dp:
            continue
        left = (run.last[running] - (a + b) / 2) / pace[running]
        context = np.maximum(run.input_tokens[running] + run.output_tokens[running] - left, 1).astype(np.int64)
        ranks = [context[r::dp] if len(context) > r else np.zeros(1, np.int64) for r in range(dp)]
        batch = tuple(RankBatch(np.ones(len(c), np.int64), c) for c in ranks)
        yield float(b - a), load_of(batch).map(lambda column: column[None, :])


def turnarounds(run: Recorded) -> Iterator[tuple[float, float]]:
    """Requests running on a rank, and seconds from a step's output to the next look at the queue."""
    assert run.queued is not None and run.scheduled is not None
    ranks = run.meta["engine_kwargs"]["data_parallel_size"]
    ends = np.unique(np.concatenate([run.first, run.last]))
    for queued in np.unique(run.queued):
        before = ends[ends < queued]
        if len(before) and queued - before[-1] < NEAR_S:
            running = int(((run.scheduled < queued) & (run.last > queued)).sum())
            yield running / ranks, float(queued - before[-1])


def admissions(run: Recorded) -> list[float]:
    """Seconds from arrival to queue, where no step's end came between: the engine had just looked, and looked again."""
    assert run.queued is not None
    waited = run.queued - run.arrival
    return np.sort(waited)[: max(1, len(waited) // 20)].tolist()


if __name__ == "__main__":
    main()
