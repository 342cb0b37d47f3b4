#!/usr/bin/env python3
"""The tables of docs/validation.md: errors beside recorded vLLM runs, and what every constant of the host is worth.

    python benchmarks/validate.py [VALIDATION]

`VALIDATION` is the folder of recorded runs, profiles and workloads; default: beside the repository.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from moec.dsl.load import load
from moec.run.session import open_session, simulate
from moec.study.validation.compare import Comparison, compare
from moec.study.validation.match import match
from moec.study.validation.recorded import Recorded, read_run

ROOT = Path(__file__).resolve().parents[1]
RUNS = {
    "validate_llama_3_1_8b": "RTXPRO6000--Llama-3.1-8B",
    "validate_qwen3_30b_a3b": "RTXPRO6000--Qwen3-30B-A3B-Instruct-2507",
}
CONSTANTS = {
    "serving.overhead.step": (0.4e-3, "s"),
    "serving.overhead.sequence": (1.4e-6, "s"),
    "serving.overhead.admission": (1e-3, "s"),
    "gap": (1.4e-6, "s"),
}
ELSEWHERE = {"fitted on Llama alone": 1.42e-6, "fitted on Qwen3 alone": 1.43e-6}
"""What `scripts/fit_host.py` finds for `gap` on each run."""
AROUND = (1.36e-6, 1.44e-6, 9)
"""Gaps that are as good as each other: first, last, how many."""
SWITCHES = {
    "host not ahead": "serving.overhead.asynchronous=false",
    "no padding": "serving.overhead.largest_graph=0 tokens",
    "no prefix caching": "serving.kv_cache.prefix_caching=false",
    "router in turns": "serving.router=round_robin()",
}


def main() -> None:
    """Errors as they are, with roofline alone, with each constant halved and half as large again, and without each part."""
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "validation"
    runs = {spec: _read(data / "vllm" / folder) for spec, folder in RUNS.items()}
    print(f"{'':34}" + "".join(f"{folder.split('--')[1][:20]:>40}" for folder in RUNS.values()))
    print(f"{'error, %':34}" + f"{'TPOT':>8}{'TTFT':>8}{'makespan':>10}{'TTFT each':>14}" * len(RUNS))

    def row(label: str, *sets: str, gap: float | None = None) -> None:
        cells = [_cells(spec, run, data, sets, gap) for spec, run in runs.items()]
        print(f"{label:34}" + "".join(cells), flush=True)

    row("as they are")
    row("roofline()", "costs=roofline()")
    for name, (value, unit) in CONSTANTS.items():
        for factor in (0.5, 1.5):
            label = f"{name.removeprefix('serving.overhead.')} x {factor}"
            if name == "gap":
                row(label, gap=value * factor)
            else:
                row(label, f"{name}={value * factor:.9f} {unit}")
    for label, gap in ELSEWHERE.items():
        row(f"gap {label}", gap=gap)
    for label, override in SWITCHES.items():
        row(label, override)
    _spread(runs, data)


def _spread(runs: dict[str, Recorded], data: Path) -> None:
    """Errors over differences in `gap` that mean nothing: how much of a figure is chance."""
    for spec, run in runs.items():
        rows = np.array([_errors(_compared_with(spec, run, data, (), gap)) for gap in np.linspace(*AROUND)])
        for name, column in zip(("TPOT", "TTFT", "makespan", "TTFT each"), rows.T * 100, strict=True):
            print(
                f"{spec}, {len(rows)} times, {name}: mean {column.mean():+.2f}, from {column.min():+.2f} to {column.max():+.2f}"
            )


def _read(folder: Path) -> Recorded:
    run, found, _ = read_run(folder)
    if run is None:
        sys.exit(found[0].title)
    return run


def _cells(spec: str, run: Recorded, data: Path, sets: Sequence[str], gap: float | None) -> str:
    tpot, ttft, makespan, each = (x * 100 for x in _errors(_compared_with(spec, run, data, sets, gap)))
    return f"{tpot:>+8.2f}{ttft:>+8.2f}{makespan:>+10.2f}{each:>14.1f}"


def _errors(c: Comparison) -> tuple[float, float, float, float]:
    return (*(c.figures[name].error for name in ("mean_tpot", "mean_ttft", "makespan")), c.each["ttft"].mape)


def _compared_with(spec: str, run: Recorded, data: Path, sets: Sequence[str], gap: float | None) -> Comparison:
    own = [f'costs=profile("{data / "profiles" / RUNS[spec]}", gap: {gap:.9f} s)'] if gap is not None else []
    return _compared(ROOT / "benchmarks" / "specs" / f"{spec}.moe", run, [*own, *sets])


def _compared(spec: Path, run: Recorded, overrides: Sequence[str]) -> Comparison:
    experiment, report = load(spec, overrides=tuple(overrides))
    session = open_session(experiment)[0] if experiment is not None else None
    if session is None or session.stream is None:
        sys.exit("; ".join(d.title for d in report.diagnostics))
    rows, found = match(run, session.stream, session.experiment)
    results, _ = simulate(session)
    if rows is None or results is None:
        sys.exit(found[0].title)
    return compare(run, rows, results, session.experiment.serving.overhead.admission)


if __name__ == "__main__":
    main()
