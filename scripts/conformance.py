#!/usr/bin/env python3
"""Runs the cases of astra-sim/conformance on ASTRA-sim and writes what it said: python scripts/conformance.py [BINARIES]

BINARIES is the folder of the two analytical simulators (else MOEC_ASTRA_SIM or PATH). `moec` estimates the same iterations
with `network = astra`; the table it prints compares the two.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np

from moec.backends.astra.estimator import AstraEstimator
from moec.backends.astra.files.settings import Congestion
from moec.backends.astra.simulator.backend import AstraSimBackend
from moec.compiler.chakra.writing.write import trace
from moec.compiler.ir.batch import Batch, RankBatch
from moec.compiler.ir.estimate import Estimate
from moec.compiler.ir.graph import Graph
from moec.compiler.ir.kernels import Kernel
from moec.compiler.lower import lower, program_of
from moec.compiler.prepare import prepare
from moec.dsl.load import check_file
from moec.dsl.schema import AstraOptions, AstraSystem, Device, Experiment, Routing, Zipf

FOLDER = Path(__file__).resolve().parents[1] / "astra-sim" / "conformance"
SPEC, RECORD = FOLDER / "cases.moe", FOLDER / "iterations.csv"
PHASES = ("prefill", "decode", "mixed")
ROUTINGS = {"uniform": Routing(), "zipf": Routing(popularity=Zipf(0.8), per_layer="shuffled", seed=7)}
KINDS: tuple[Congestion, ...] = ("aware", "unaware")
COLUMNS = ("plan", "phase", "routing", "congestion", "ranks", "nodes", "iteration_ns", "first_finish_ns")


class Plain:
    """Times of kernels that no calibration changes: bytes at 2 TB/s or operations at 400 TFLOPS, and 2 us to begin."""

    def estimate(self, kernel: Kernel, device: Device, role: str = "") -> Estimate:
        """See `moec.compiler.costs.base.CostModel`."""
        busy = np.maximum(np.asarray(kernel.bytes) / 2e3, np.asarray(kernel.flops) / 4e5)
        return Estimate(np.where(busy > 0, 2000 + busy, 0.0), np.zeros_like(busy, dtype=int), "modelled")


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One iteration of an experiment on one of the two simulators."""

    experiment: Experiment
    phase: str
    routing: str
    congestion: Congestion
    graph: Graph

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What the record knows it by."""
        return self.experiment.name, self.phase, self.routing, self.congestion

    def estimated(self) -> np.ndarray:
        """When ranks finish, by the estimator."""
        options = AstraSystem(congestion=self.congestion)
        return AstraEstimator(self.experiment, options).run(self.graph, detail=False).finish_ns


def cases() -> Iterator[Case]:
    """Every plan x phase x routing x simulator; a dense model has nothing to route."""
    experiments, report = check_file(SPEC)
    if report.failed:
        raise ValueError(report.diagnostics)
    for experiment in experiments:
        for name, routing in ROUTINGS.items():
            if experiment.model.moe is None and name != "uniform":
                continue
            routed = replace(experiment, routing=routing) if experiment.model.moe is not None else experiment
            for phase in PHASES:
                graph = _graph(routed, phase)
                yield from (Case(routed, phase, name, kind, graph) for kind in KINDS)


def _graph(experiment: Experiment, phase: str) -> Graph:
    """Lowered with routing drawn layer by layer, so that skew and chance are both in it."""
    prepared, found = prepare(experiment)
    if prepared is None:
        raise ValueError(found)
    return lower(
        program_of(replace(prepared.context, costs=Plain())), batch(phase, prepared.context.layout.dp), "drawn"
    )


def batch(phase: str, dp: int) -> Batch:
    """Attention-DP ranks with unlike loads: some tens of decodes, a prompt or two, or both."""
    return tuple(_rank(phase, r) for r in range(dp))


def _rank(phase: str, r: int) -> RankBatch:
    decodes, prompt = 24 + 7 * r % 17, 160 + 31 * r % 190
    one = RankBatch(np.ones(decodes, np.int64), 300 + 97 * np.arange(decodes) % 1500)
    match phase:
        case "prefill":
            return RankBatch(np.array([prompt, 100]), np.array([0, 64 * (r % 3)]))
        case "decode":
            return one
        case _:
            return RankBatch(np.append(one.new, prompt), np.append(one.context, 0))


def main() -> None:
    """Runs, writes, compares."""
    rows = []
    for case in cases():
        options = AstraOptions(congestion=case.congestion, binary=sys.argv[1] if sys.argv[1:] else None)
        began = perf_counter()
        finish = AstraSimBackend.of(case.experiment, options).run(case.graph).finish_ns
        middle = perf_counter()
        mine = case.estimated()
        end = perf_counter()
        rows.append((*case.key, case.graph.world, trace(case.graph).nodes, int(finish.max()), int(finish.min())))
        off = 100 * (int(mine.max()) / int(finish.max()) - 1)
        worst = 100 * float(np.abs(mine / finish - 1).max())
        print(
            f"{' '.join(case.key):48} {finish.max():>12,} ns {off:+8.4f} % any rank {worst:.4f} %"
            f"  {middle - began:6.2f} s against {end - middle:5.2f} s",
            flush=True,
        )
    with RECORD.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main()
