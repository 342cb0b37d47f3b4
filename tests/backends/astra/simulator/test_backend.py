"""From graphs to timings through a binary: what it is given, how often it runs, and what becomes of its failures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from moec.backends.astra.simulator.backend import AstraSimBackend
from moec.backends.astra.simulator.failure import SimulatorError
from moec.backends.astra.simulator.find import Binary
from moec.backends.astra.simulator.inputs import inputs_of, names_of
from moec.backends.base import Tally
from moec.backends.fast.backend import FastBackend
from moec.compiler.ir.batch import Load, RankBatch, load_of
from moec.compiler.ir.graph import Graph
from moec.compiler.lower import lower
from moec.dsl.schema import AstraOptions, Experiment, Routing, Zipf
from support.cases import DENSE, MIXTURE, experiment, program, random_batch
from support.simulators import fake, real

COUNT = """
import glob
ranks = range(len(glob.glob("moec.*.et")))
open(os.environ["RUNS"], "a").write(".")
finish(*ranks, ns=50_000, exposed=20_000)
leave()
"""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a dot for every run."""
    path = tmp_path / "runs"
    path.touch()
    monkeypatch.setenv("RUNS", str(path))
    return path


def backend(e: Experiment, binary: Path, **options: object) -> AstraSimBackend:
    return AstraSimBackend(e, AstraOptions(**options), Binary(binary, "aware", "PATH"))  # type: ignore[arg-type]


def graph_of(e: Experiment, seed: int = 0, dp: int = 1) -> Graph:
    return lower(program(e), random_batch(np.random.default_rng(seed), dp))


def decodes(dp: int, *contexts: int) -> Load:
    """One iteration per context, each with two requests that decode on every rank."""
    loads = [load_of(tuple(RankBatch(np.ones(2, np.int64), np.full(2, c)) for _ in range(dp))) for c in contexts]
    first = loads[0]
    return type(first)(
        *(np.stack([getattr(one, f) for one in loads]) for f in type(first).__slots__ if f != "continued")
    )


def test_a_run_becomes_a_timing(tmp_path: Path, runs: Path):
    e = experiment(DENSE, tp=4)

    timing = backend(e, fake(tmp_path, COUNT)).run(graph_of(e))

    assert timing.finish_ns.tolist() == [50_000, 50_001, 50_002, 50_003]
    assert int(timing.makespan_ns) == 50_003
    assert int(timing.exposed_ns) == 50_003 - (50_003 - 20_000)
    assert runs.read_text() == "."


def test_a_lone_rank_runs_beside_an_idle_one(tmp_path: Path, runs: Path):
    e = experiment(DENSE)
    seen = fake(tmp_path, "import glob\nassert len(glob.glob('moec.*.et')) == 2\nfinish(0, 1)\nleave()")

    assert backend(e, seen).run(graph_of(e)).finish_ns.tolist() == [1000]


def test_a_failed_run_is_raised_with_the_nodes_name(tmp_path: Path):
    e = experiment(DENSE, tp=2)
    graph = graph_of(e)
    inputs, _ = inputs_of(graph, e, AstraOptions(), "aware")
    name = names_of(graph, AstraOptions())(0, 5)
    assert name is not None and name.encode() in inputs.traces.file(0)
    body = "print('[t] [HardwareResource] [critical] !!!Hardware Resource sys.id=0 has unreleased nodes!!!')\nprint('[t] [x] [critical] GPU comm node id: 5')\nleave()"

    with pytest.raises(SimulatorError) as raised:
        backend(e, fake(tmp_path, body)).run(graph)

    assert f"rank 0 stands in node 5 `{name}`" in raised.value.diagnostics[0].help


def test_no_simulator_is_raised_when_the_backend_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("MOEC_ASTRA_SIM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SimulatorError, match="ASTRA-sim was not found"):
        AstraSimBackend.of(experiment())


def test_settings_that_would_hang_are_raised_before_a_run(tmp_path: Path, runs: Path):
    e = experiment(DENSE, tp=3)

    with pytest.raises(SimulatorError, match="halving_doubling"):
        backend(e, fake(tmp_path, COUNT), all_reduce="halving_doubling").run(graph_of(e))

    assert runs.read_text() == ""


def test_iterations_with_the_same_graph_are_run_once(tmp_path: Path, runs: Path):
    e = experiment(dp=4)
    timer = backend(e, fake(tmp_path, COUNT)).steps(program(e).context)

    times = timer.times(decodes(4, 100, 101, 100))
    timer.times(decodes(4, 101))

    assert runs.read_text() == ".."
    assert times.latency_ns.tolist() == [50_003] * 3
    assert timer.tally() == Tally(2, 2, 0)  # type: ignore[attr-defined]


def test_between_every_nth_iteration_the_estimate_takes_the_last_ratio(tmp_path: Path, runs: Path):
    e = experiment(dp=4)
    context = program(e).context
    load = decodes(4, 100, 200, 300, 400, 500)
    estimate = FastBackend.of(e).steps(context).times(load).latency_ns
    timer = backend(e, fake(tmp_path, COUNT), every=3).steps(context)

    times = timer.times(load).latency_ns

    assert runs.read_text() == ".."
    assert times[[0, 3]].tolist() == [50_003, 50_003]
    assert times[[1, 2]].tolist() == np.rint(estimate[[1, 2]] * (50_003 / estimate[0])).tolist()
    assert times[4] == np.rint(estimate[4] * (50_003 / estimate[3]))
    assert timer.estimated == 3 and timer.ratios == pytest.approx(50_003 / estimate[[0, 3]])  # type: ignore[attr-defined]


def test_pipeline_stages_share_the_latency(tmp_path: Path, runs: Path):
    e = experiment(DENSE, tp=1, pp=2)
    body = "finish(0, ns=30_000)\nfinish(1, ns=49_999)\nleave()"

    times = backend(e, fake(tmp_path, body)).steps(program(e).context).times(decodes(1, 100))

    assert times.stage_ns.tolist() == [[30_000, 20_000]]
    assert times.latency_ns.tolist() == [50_000]


def test_inputs_are_the_same_bytes_every_time(tmp_path: Path):
    e = experiment(MIXTURE, dp=4, routing=Routing(Zipf(1.0), "shuffled", 3))
    folders = []
    for name in ("one", "other"):
        place = tmp_path / name
        place.mkdir()
        inputs_of(graph_of(e, dp=4), e, AstraOptions(), "aware")[0].write(place)
        folders.append({p.relative_to(place): p.read_bytes() for p in place.rglob("*") if p.is_file()})

    assert folders[0] == folders[1]
    assert json.loads(folders[0][Path("system.json")])["preferred-dataset-splits"] == 1


@pytest.mark.parametrize("congestion", ["aware", "unaware"])
@pytest.mark.parametrize(
    "plan",
    [
        {"model": DENSE, "tp": 4},
        {"model": DENSE, "tp": 2, "pp": 2},
        {"dp": 4},
        {"tp": 2, "dp": 2},
        {"dp": 4, "overlap": "two_batch"},
    ],
    ids=str,
)
def test_the_real_simulator_finishes_what_moec_writes(plan: dict[str, object], congestion: str):
    """And no sooner than the kernels of the busiest rank, which both count alike."""
    binary = real(congestion)
    e = experiment(**{"model": MIXTURE, "routing": Routing(Zipf(1.0)), **plan})  # type: ignore[arg-type]
    graph = graph_of(e, dp=int(plan.get("dp", 1)))  # type: ignore[call-overload]
    timing = AstraSimBackend(e, AstraOptions(), Binary(binary, congestion, "PATH")).run(graph)  # type: ignore[arg-type]
    estimate = FastBackend.of(e).run(graph)

    busy, expected = (int(t.makespan_ns - t.exposed_ns) for t in (timing, estimate))
    assert busy == pytest.approx(expected, rel=1e-3)
    assert int(timing.makespan_ns) >= busy
