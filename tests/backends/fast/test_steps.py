"""The serving loop's timer is the full evaluation, to the nanosecond."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from moec.backends.fast.backend import FastBackend
from moec.backends.fast.durations import durations
from moec.backends.fast.overlapped import fuse, run_fused, skeleton
from moec.backends.fast.pricing import Pricing, WeightedOp
from moec.backends.fast.schedule import evaluate
from moec.backends.fast.serial import run_serial, stages_of
from moec.backends.fast.steps import FastSteps
from moec.backends.fast.timing import timing
from moec.backends.network.tiers import network_of
from moec.compiler.ir.batch import Load, load_of
from moec.compiler.ir.estimate import Estimate
from moec.compiler.ir.graph import Collective, Compute, Engine, Work
from moec.compiler.ir.kernels import Elementwise
from moec.compiler.lower import lower
from moec.compiler.lower.instantiate import lanes_of
from moec.compiler.lower.program import Follows, Program, Situation, Template, TemplateBlock, situation
from moec.dsl.schema import Fabric, FastOptions, FatTree, Mesh, Network, RailOptimized, Routing, Zipf
from support.cases import MODELS, NIC, experiment, program, random_batch

pytestmark = pytest.mark.slow  # evaluates every graph twice

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


OVERLAPS = ("none", "two_batch", "shared_expert")
METHODS = ("alltoall", "allgather_reducescatter", "allreduce")


def has_meaning(model: str, plan: dict[str, int], overlap: str, method: str) -> bool:
    """Whether the model has the experts that the plan spreads and exchanges for, and those that it overlaps with."""
    moe = MODELS[model].moe
    if moe is None:
        return overlap == "none" and method == "alltoall"
    return moe.experts % (plan["tp"] * plan["dp"]) == 0 and (overlap != "shared_expert" or moe.shared > 0)


CASES = [case for case in product(MODELS, PLANS, OVERLAPS, METHODS) if has_meaning(*case)]


@pytest.mark.parametrize(("model", "plan", "overlap", "method"), CASES, ids=str)
@pytest.mark.parametrize("largest_graph", [0, None], ids=["as they are", "padded"])
def test_steps_equal_full_evaluation(
    model: str, plan: dict[str, int], overlap: str, method: str, largest_graph: int | None
) -> None:
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


def pooled(lanes: int, widths: tuple[int, int]) -> Program:
    """Attention on the first two of four ranks, experts on the other two; times follow the tokens of a rank or of all."""
    context = program(experiment(MODELS["mixture"], dp=2)).context
    first: Follows = "tokens" if widths[0] == 2 else "load"

    def kernel(factor: int, width: int) -> Callable[[Situation], Work]:
        def make(s: Situation) -> Work:
            count = s.load.tokens if width == 2 else s.totals[..., None]
            time = np.asarray(factor * count[..., None, :], dtype=np.int64)
            return Compute(Elementwise(time), Estimate(time, np.zeros(1), "modelled"))

        return make

    def exchange(factor: int) -> Callable[[Situation], Work]:
        return lambda s: Collective("all_gather", "both", s.totals[..., None, None] * float(factor))

    templates: list[Template] = []
    stages: list[list[tuple[str, Engine, Follows, Callable[[Situation], Work], tuple[int, int] | None]]] = [
        [
            ("norm", "compute", "tokens", kernel(3, 2), (0, 2)),
            ("attention", "compute", "load", kernel(50, widths[0]), (0, 2)),
            ("router", "compute", first, kernel(7, widths[0]), (0, 2)),
        ],
        [("dispatch", "comm", "load", exchange(900), None)],
        [
            ("align", "compute", "total", kernel(2, 1), (2, 4)),
            ("experts", "compute", "load", kernel(31, widths[1]), (2, 4)),
        ],
        [("combine", "back", "load", exchange(1700), None)],
    ]
    order = [(lane, stage) for stage in range(4) for lane in range(lanes)]
    last: dict[int, int] = {}
    for lane, stage in order:
        for name, engine, follows, make, on in stages[stage]:
            deps = (last[lane],) if lane in last else ()
            enters = () if deps else (lane,)
            couples = name in ("dispatch", "combine")
            templates.append(Template(name, engine, follows, make, lane, deps, enters, None, couples, on=on))
            last[lane] = len(templates) - 1
    block = TemplateBlock("layers", 7, tuple(templates), tuple(last.values()), 0, 4)
    return Program(context, (block,), {"both": np.arange(4)[None]}, lanes)


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("widths", [(2, 1), (1, 2), (2, 2), (1, 1)])
def test_ops_on_some_ranks_are_priced_as_the_whole_graph(lanes: int, widths: tuple[int, int]) -> None:
    built, net = pooled(lanes, widths), network_of(program(experiment(MODELS["mixture"], dp=4)).context.experiment)
    device = built.context.device
    load = load_of(random_batch(np.random.default_rng(3), 2))
    graph = lower(built, load)
    full = timing(graph, evaluate(graph, durations(graph, net, device), detail=False)).makespan_ns
    pricing = Pricing(built, net, built.groups)
    situations = [situation(built, part, None) for part in lanes_of(built, load)]
    fused = fuse(built, pricing)
    assert [len(run) for run in fused[0].runs] == [3] * lanes + [1] * lanes + [2] * lanes + [1] * lanes
    assert run_fused(skeleton(built, fused, situations), fused, situations)[-1].tolist() == full.tolist()
    if lanes == 1:
        assert run_serial(stages_of(built, pricing), situations[0])[-1].tolist() == full.tolist()


def test_a_sum_of_ops_on_unlike_ranks_is_taken_rank_by_rank() -> None:
    """Without an exchange between them, ops on some ranks and ops on all add up on each rank for itself."""
    built = pooled(1, (2, 2))
    (block,) = built.blocks
    everywhere = replace(block.templates[1], name="all", on=None, make=lambda s: _on_all(block.templates[1].make(s)))
    pricing = Pricing(built, network_of(built.context.experiment), built.groups)
    items = [WeightedOp(block, t, 1) for t in (block.templates[0], everywhere, block.templates[5])]
    load = load_of(random_batch(np.random.default_rng(3), 2))
    (s,) = (situation(built, part, None) for part in lanes_of(built, load))
    attention, experts = (pricing.of([item])(s) for item in (items[0], items[2]))
    assert pricing.of(items)(s).tolist() == [*(attention + 5), *(experts + 5)]


def _on_all(work: Work) -> Work:
    assert isinstance(work, Compute)
    return replace(work, cost=replace(work.cost, time_ns=np.full((1, 4), 5)))
