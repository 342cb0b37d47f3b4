"""Times the writer alone: from an iteration's graph to the files of all ranks, in nodes per second of one core.

python benchmarks/trace_nodes.py [--repeats N] [--case NAME]

`alike`: 2048 ranks share one trace. `unlike`: 320 ranks whose kernels take other times in every layer, so that no two traces
are equal. `sets`: the same with a set of sends and receives for every exchange, whose nodes count too.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from moec.backends.astra.simulator.inputs import inputs_of
from moec.compiler.ir.graph import Graph
from moec.compiler.lower import lower, program_of
from moec.dsl.load import load
from moec.dsl.schema import AstraOptions, Experiment
from moec.dsl.schema.astra_sim import Encoding
from moec.run.session import open_session
from moec.run.traces import choose

SPECS = Path(__file__).resolve().parent / "specs"


@dataclass(frozen=True, slots=True)
class Case:
    """An iteration of a specification, the encoding of its exchanges, and the least nodes per second."""

    name: str
    spec: str
    iteration: int
    encoding: Encoding
    least: float


CASES = (
    Case("alike", "traces_tp2048", 0, "custom", 1e6),
    Case("unlike", "traces_ep320", 5, "padded", 3e5),
    Case("sets", "traces_ep320", 5, "custom", 3e5),
)


def graph_of(case: Case) -> tuple[Graph, Experiment]:
    """The graph of the case's iteration."""
    experiment, report = load(SPECS / f"{case.spec}.moe")
    assert experiment is not None, report
    session, _ = open_session(experiment, "fast")
    assert session is not None
    (chosen,), _ = choose(session, [case.iteration])
    return lower(program_of(session.prepared.context), chosen.load, "drawn", chosen.number), session.experiment


def write(case: Case, graph: Graph, experiment: Experiment) -> tuple[int, float, float]:
    """Nodes, and the core's and the clock's seconds that making and writing all files took."""
    with tempfile.TemporaryDirectory() as place:
        core, clock = time.process_time(), time.perf_counter()
        inputs, _ = inputs_of(graph, experiment, AstraOptions(encoding=case.encoding), "aware")
        inputs.write(Path(place))
        core, clock = time.process_time() - core, time.perf_counter() - clock
    return inputs.traces.nodes + inputs.traces.set_nodes, core, clock


def main(arguments: Sequence[str]) -> None:
    """Prints one row per case: medians."""
    parser = argparse.ArgumentParser(description="Time the trace writer alone.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--case", choices=[case.name for case in CASES])
    given = parser.parse_args(arguments)
    print(f"{'case':<8} {'nodes':>12} {'core':>9} {'clock':>9} {'nodes/s of a core':>18} {'at least':>12}")
    for case in CASES:
        if given.case not in (None, case.name):
            continue
        runs = [write(case, *graph_of(case)) for _ in range(given.repeats)]
        core, clock = (statistics.median(run[i] for run in runs) for i in (1, 2))
        rate = runs[0][0] / core
        late = "" if rate >= case.least else "  too slow"
        print(
            f"{case.name:<8} {runs[0][0]:>12,} {core:>7.2f} s {clock:>7.2f} s {rate:>18,.0f} {case.least:>12,.0f}{late}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
