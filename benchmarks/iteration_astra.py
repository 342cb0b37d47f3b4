"""Times the estimate of whole iterations on ASTRA-sim's network beside the real simulator: `network = astra`, no files.

MOEC_ASTRA_SIM=... python benchmarks/iteration_astra.py [--ranks 16 64 256]

Both sides in CPU seconds: the simulator's process on the traces of an iteration (written before, not counted), and the
estimator on its graph: the median over five iterations, each estimated once after a smaller one. They differ in the number
of sequences, and so in every size, or in how tokens are routed; the simulator runs the first. Layers are few where the
simulator would need minutes; the estimator's figure is of as many.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np

import moec
from moec.arrays import Array
from moec.backends.astra.estimator import AstraEstimator
from moec.backends.astra.simulator.find import find
from moec.backends.astra.simulator.inputs import inputs_of
from moec.backends.astra.simulator.runner import run_many
from moec.compiled import state
from moec.compiler.ir.batch import RankBatch
from moec.compiler.ir.graph import Graph
from moec.compiler.lower import lower, program_of
from moec.compiler.lower.program import Program
from moec.dsl.schema import AstraSystem

SPEC = """
moe 1
use "std/hardware" as hw
model slim {{
  layers = {layers}, hidden = 4096, vocab = 32000
  attention = gqa {{ heads = 32, kv_heads = 8, head_dim = 128 }}
  moe {{ experts = 256, top_k = 8, intermediate = 1024 }}
}}
cluster pod {{ nodes = {nodes}, node = hw.dgx_h100, network {{ link = hw.ndr400 }} }}
parallelism wide {{ attention {{ dp = {ranks} }} }}
routing r {{ {popularity} }}
experiment e {{ model = slim, cluster = pod, parallelism = wide, routing = r }}
"""
CASES = {"uniform": ("padded", "popularity = uniform()"), "skewed": ("custom", "popularity = zipf(exponent: 0.8)")}
LAYERS = {16: 10, 64: 10, 256: 3}
SEQUENCES = {"uniform": (32, 40, 48, 56, 64), "skewed": (32,) * 5}
"""Of each rank in the iterations that are measured, after one with 24."""


def main() -> None:
    """A row per number of ranks and kind of exchange."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=int, nargs="+", default=list(LAYERS))
    print(f"moec runs as: {state()}")
    print(f"{'exchanges':<10} {'ranks':>5} {'layers':>6} {'simulator':>12} {'estimator':>12} {'times faster':>13}")
    for ranks in parser.parse_args().ranks:
        for name in CASES:
            _row(name, ranks, LAYERS.get(ranks, 1))


def _row(name: str, ranks: int, layers: int) -> None:
    encoding, popularity = CASES[name]
    text = SPEC.format(layers=layers, nodes=ranks // 8, ranks=ranks, popularity=popularity)
    experiment, report = _load(text)
    session, found = moec.open_session(experiment)
    assert session is not None, (report, found)
    program = program_of(session.prepared.context)
    graphs = [_graph(program, name, ranks, n, i) for i, n in enumerate((24, *SEQUENCES[name]))]
    options = AstraSystem(congestion="aware", encoding=encoding)
    estimator = AstraEstimator(experiment, options)
    timed = [_timed(estimator, graph) for graph in graphs][1:]
    mine, taken = timed[0][0], median(seconds for _, seconds in timed)
    theirs, simulator = _simulated(graphs[1], experiment, options)
    off = np.abs(mine / theirs[:ranks] - 1).max()
    told = "equal" if off == 0 else f"off by up to {off:.3%}"
    print(
        f"{name:<10} {ranks:>5} {layers:>6} {simulator:>10.3f} s {taken:>10.5f} s {simulator / taken:>13,.0f}  {told}"
    )


def _graph(program: Program, name: str, ranks: int, sequences: int, iteration: int) -> Graph:
    rank = RankBatch(np.ones(sequences, dtype=np.int64), np.full(sequences, 500, dtype=np.int64))
    return lower(program, (rank,) * ranks, "drawn" if name == "skewed" else "expected", iteration)


def _timed(estimator: AstraEstimator, graph: Graph) -> tuple[Array, float]:
    began = process_time()
    ends = estimator.run(graph, detail=False).finish_ns
    return ends, process_time() - began


def _simulated(graph: Graph, experiment: moec.Experiment, options: AstraSystem) -> tuple[Array, float]:
    with tempfile.TemporaryDirectory() as place:
        folder = inputs_of(graph, experiment, options, "aware")[0].write(Path(place))
        before = _children()
        binary, wrong = find("aware")
        assert binary is not None, wrong
        [(done, wrong)] = run_many([folder], binary.path, time_limit_s=3600)
        assert done is not None, wrong
        return done.finish_ns, _children() - before


def _load(text: str) -> tuple[moec.Experiment, moec.Report]:
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "iteration.moe"
        file.write_text(text, encoding="utf-8")
        experiment, report = moec.load(file)
    assert experiment is not None, report
    return experiment, report


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
