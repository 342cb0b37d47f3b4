"""KV swaps on ASTRA-sim's network: the estimate, the replay of the written traces and the simulator itself agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from moec.backends.astra.replay.run import time_traces
from moec.backends.astra.simulator.backend import AstraSimBackend
from moec.backends.astra.simulator.find import Binary
from moec.backends.astra.simulator.inputs import PREFIX, inputs_of
from moec.backends.registry import backend_of
from moec.compiler.ir.graph import Graph
from moec.compiler.lower import lower
from moec.dsl.schema import AstraOptions, AstraSystem, Experiment, FastOptions
from support.cases import DENSE, MIXTURE, program
from support.simulators import real
from support.swaps import batch_load, moving, swapping

PLANS = {
    "dense tp": {"model": DENSE, "tp": 2},
    "tp and dp": {"tp": 2, "dp": 2},
    "three stages": {"dp": 2, "pp": 3},
}
MOVES = [([0, 1600], [0, 0]), ([160, 0], [320, 4800])]
"""Token slots out and back per attention-DP rank; a plan with one rank moves those of the second."""


def case(plan: str, moves: int, **more: object) -> tuple[Experiment, Graph]:
    e = swapping(**{"model": MIXTURE, "per_node": 8, **PLANS[plan], **more})  # type: ignore[arg-type]
    dp = e.parallelism.attention.dp
    out, back = (row[-dp:] for row in MOVES[moves])
    return e, lower(program(e), moving(batch_load(dp), out, back))


def estimate(e: Experiment, graph: Graph, congestion: str) -> list[int]:
    network = AstraSystem(encoding="padded", congestion=congestion)  # type: ignore[arg-type]
    finish: list[int] = backend_of(replace(e, backend=FastOptions(network=network))).run(graph).finish_ns.tolist()
    return finish


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("moves", range(len(MOVES)))
@pytest.mark.parametrize("congestion", ["aware", "unaware"])
def test_the_estimate_is_the_replay_of_the_traces(plan: str, moves: int, congestion: str, tmp_path: Path) -> None:
    e, graph = case(plan, moves)
    inputs, _ = inputs_of(graph, e, AstraOptions(encoding="padded"), congestion)  # type: ignore[arg-type]
    inputs.write(tmp_path)
    replayed = time_traces(
        tmp_path / PREFIX,
        system=tmp_path / "system.json",
        network=tmp_path / "network.yml",
        memory=tmp_path / "memory.json",
        comm_groups=tmp_path / "comm_groups.json" if (tmp_path / "comm_groups.json").exists() else None,
        congestion=congestion,  # type: ignore[arg-type]
    )

    assert np.asarray(replayed.finish_ns).tolist()[: graph.world] == estimate(e, graph, congestion)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("moves", range(len(MOVES)))
@pytest.mark.parametrize("congestion", ["aware", "unaware"])
def test_the_real_simulator_agrees_to_the_nanosecond(plan: str, moves: int, congestion: str) -> None:
    binary = Binary(real(congestion), congestion, "PATH")  # type: ignore[arg-type]
    e, graph = case(plan, moves)
    timing = AstraSimBackend(e, AstraOptions(encoding="padded"), binary).run(graph)

    assert timing.finish_ns.tolist() == estimate(e, graph, congestion)


@pytest.mark.parametrize("congestion", ["aware", "unaware"])
def test_two_batches_come_near(congestion: str) -> None:
    """A slot for memory and messages takes whichever is ready first; the estimate keeps the order of the graph."""
    binary = Binary(real(congestion), congestion, "PATH")  # type: ignore[arg-type]
    e, graph = case("tp and dp", 1, overlap="two_batch")
    timing = AstraSimBackend(e, AstraOptions(encoding="padded"), binary).run(graph)

    assert timing.finish_ns.max() == pytest.approx(max(estimate(e, graph, congestion)), rel=5e-3)
