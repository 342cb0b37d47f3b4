"""The serving loop's timer is the full evaluation, to the nanosecond."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from moec.backends.fast.backend import FastBackend
from moec.backends.fast.steps import FastSteps
from moec.compiler.ir.batch import Load, load_of
from moec.compiler.ir.graph import Compute, Work
from moec.compiler.lower import lower
from moec.compiler.lower.program import Situation, Template
from moec.dsl.schema import Fabric, FastOptions, FatTree, Mesh, Network, RailOptimized, Routing, Zipf
from support.cases import MODELS, NIC, experiment, program, random_batch

PLANS = [
    {"tp": 1, "dp": 1},
    {"tp": 1, "dp": 4},
    {"tp": 2, "dp": 2},
    {"tp": 2, "dp": 3},
    {"tp": 2, "dp": 2, "pp": 2},
    {"tp": 4, "dp": 1},
]


def stacked(loads: list[Load]) -> Load:
    return Load(
        *(np.stack(column) for column in zip(*([getattr(x, f) for f in Load.__slots__] for x in loads), strict=True))
    )


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("overlap", ["none", "two_batch", "shared_expert"])
@pytest.mark.parametrize("method", ["alltoall", "allgather_reducescatter", "allreduce"])
@pytest.mark.parametrize("largest_graph", [0, None], ids=["as they are", "padded"])
def test_steps_equal_full_evaluation(
    model: str, plan: dict[str, int], overlap: str, method: str, largest_graph: int | None
) -> None:
    moe = MODELS[model].moe
    if (moe is None and (overlap != "none" or method != "alltoall")) or (
        overlap == "shared_expert" and not (moe and moe.shared)
    ):
        pytest.skip("the plan has no meaning for this model")
    if moe and moe.experts % (plan["tp"] * plan["dp"]):
        pytest.skip("experts do not divide")
    routing = Routing(Zipf(0.8), "shuffled", 1)
    e = experiment(MODELS[model], **plan, overlap=overlap, method=method, routing=routing, largest_graph=largest_graph)
    built, backend = program(e), FastBackend.of(e)
    window = 128 if model == "windowed" else None
    rng = np.random.default_rng(7)
    loads = [load_of(random_batch(rng, plan["dp"], prompts=p), window) for p in (0.5, 0.0, 0.2)]
    full = [int(backend.run(lower(built, load)).makespan_ns) for load in loads]
    steps = backend.steps(built.context).times(stacked(loads))
    assert steps.latency_ns.tolist() == full
    assert steps.stage_ns.sum(axis=-1).tolist() == full


def longer(template: Template) -> Template:
    """The same op with twice the time."""

    def make(s: Situation) -> Work:
        work = template.make(s)
        assert isinstance(work, Compute)
        return replace(work, cost=replace(work.cost, time_ns=2 * work.cost.time_ns))

    return replace(template, make=make)


@pytest.mark.parametrize("overlap", ["none", "two_batch"])
def test_ops_of_one_name_may_differ_from_block_to_block(overlap: str) -> None:
    """Two blocks with an `attention` each, the second of which takes twice as long."""
    e = experiment(MODELS["mixture"], dp=2, overlap=overlap, routing=Routing(Zipf(0.8), "shuffled", 1))
    built, backend = program(e), FastBackend.of(e)
    assert isinstance(backend, FastBackend)
    layers = next(block for block in built.blocks if any(t.name == "attention" for t in block.templates))
    slow = replace(layers, templates=tuple(longer(t) if t.name == "attention" else t for t in layers.templates))
    at = built.blocks.index(layers) + 1
    changed = replace(built, blocks=(*built.blocks[:at], slow, *built.blocks[at:]))
    load = load_of(random_batch(np.random.default_rng(7), 2))
    full = int(backend.run(lower(changed, load)).makespan_ns)
    assert FastSteps(changed, backend.net).times(stacked([load])).latency_ns.tolist() == [full]


NETWORKS: dict[str, dict[str, object]] = {
    "rails": {"topology": RailOptimized("fabric", 2.0, 1)},
    "spine": {"topology": RailOptimized("spine", 2.0, 1)},
    "fat_tree": {"topology": FatTree(4.0, 1), "hop": 1e-7},
    "ring": {"topology": "ring"},
    "mesh": {"topology": Mesh(2, 2)},
    "tiers": {"nodes": 2, "beyond": Network(NIC, latency=9e-6)},
}


FABRICS: tuple[object, ...] = ("switch", "fully_connected", "ring", Mesh(2, 2))
SPREAD = ({"tp": 2, "dp": 8}, {"tp": 1, "dp": 8, "pp": 2}, {"tp": 4, "dp": 4})
EXCHANGES = ({}, {"route": "two_phase"}, {"route": "two_phase", "deduplicate": False})
CASES = [
    (network, fabric, plan, EXCHANGES[i % 3], ("none", "two_batch")[i % 2])
    for i, (network, fabric, plan) in enumerate(product(NETWORKS, FABRICS, SPREAD))
] + [
    (network, FABRICS[i % 4], SPREAD[i % 3], exchange, overlap)
    for i, (network, exchange, overlap) in enumerate(product(NETWORKS, EXCHANGES, ("none", "two_batch")))
]
"""Every network with every fabric and every plan, and with every exchange and overlap."""


@pytest.mark.parametrize(("network", "fabric", "plan", "exchange", "overlap"), CASES, ids=str)
def test_steps_equal_full_evaluation_on_every_topology(
    network: str, fabric: object, plan: dict[str, int], exchange: dict[str, object], overlap: str
) -> None:
    e = experiment(MODELS["mixture"], **plan, overlap=overlap, routing=Routing(Zipf(0.8), "shuffled", 1), **exchange)
    assert e.cluster.network is not None
    node = replace(e.cluster.node, fabric=Fabric(fabric, hop=2e-7))  # type: ignore[arg-type]
    wired = replace(e.cluster, node=node, network=replace(e.cluster.network, **NETWORKS[network]))
    e = replace(e, cluster=wired, parallelism=replace(e.parallelism, interference=0.3 if overlap != "none" else 0.0))
    built, backend = program(e), FastBackend.of(e)
    rng = np.random.default_rng(7)
    loads = [load_of(random_batch(rng, plan["dp"], prompts=p), None) for p in (0.5, 0.0)]
    full = [int(backend.run(lower(built, load)).makespan_ns) for load in loads]
    steps = backend.steps(built.context).times(stacked(loads))
    assert steps.latency_ns.tolist() == full


def test_drawn_steps_draw_anew_and_repeat_with_the_seed() -> None:
    e = experiment(MODELS["mixture"], dp=4)
    e = type(e)(**{**{f: getattr(e, f) for f in e.__slots__}, "backend": FastOptions("drawn")})
    built, backend = program(e), FastBackend.of(e)
    load = stacked([load_of(random_batch(np.random.default_rng(0), 4))] * 3)
    first, second = (backend.steps(built.context).times(load).latency_ns.tolist() for _ in range(2))
    assert first == second
    assert len(set(first)) > 1
