"""Which plan nearest to a given one fits in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import ceil, log2

from moec.compiler.check.plan import check_plan
from moec.compiler.sizes.footprint import MemoryReport, memory_of
from moec.compiler.sizes.layout import layout_of
from moec.diagnostics import has_errors
from moec.dsl.schema import Experiment, Link, Network

MAX_WORLD = 1024
"""Largest instance that is searched."""

POWERS = tuple(2**i for i in range(11))

NODE_WEIGHT, PP_WEIGHT = 0.5, 1.5
"""Doubling the nodes or the pipeline stages counts this much as against doubling tp or dp: more nodes are easier to accept
than another shape, and a pipeline changes latency the most."""


UNNAMED_NETWORK = Network(Link(bandwidth=1.0))
"""Stands for the network that the user will have to name; memory does not depend on it."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A plan that fits: the amended experiment, its memory, and the changed fields as `path = value`."""

    experiment: Experiment
    memory: MemoryReport
    changes: tuple[str, ...]


def nearest_fit(experiment: Experiment) -> Fit | None:
    """The plan closest to the experiment's that passes every check and caches at least a full batch; None when none does.

    Searched: tp, dp and pp over powers of two times what was given, ep and the replicas that follow, more nodes when
    needed. Distance is the sum of doublings; every candidate is evaluated, nearest first.
    """
    for candidate in _candidates(experiment):
        if has_errors(check_plan(candidate)):
            continue
        memory = memory_of(candidate)
        if memory.shortfall == 0 and memory.kv_tokens >= experiment.serving.scheduler.max_batched_tokens:
            return Fit(candidate, memory, _changes(experiment, candidate))
    return None


def _candidates(experiment: Experiment) -> Iterator[Experiment]:
    plan = experiment.parallelism
    tps, dps, pps = (_choices(now) for now in (plan.attention.tp, plan.attention.dp, plan.pp))
    shapes = [shape for shape in product(tps, dps, pps) if shape[0] * shape[1] * shape[2] <= MAX_WORLD]
    found = [candidate for shape in shapes if (candidate := _amended(experiment, *shape)) is not None]
    yield from sorted(found, key=lambda candidate: _distance(experiment, candidate))


def _choices(now: int) -> tuple[int, ...]:
    return tuple(sorted({*POWERS, now}))


def _amended(experiment: Experiment, tp: int, dp: int, pp: int) -> Experiment | None:
    """The experiment on tp × dp × pp ranks; None when its experts cannot be spread over them."""
    plan, cluster = experiment.parallelism, experiment.cluster
    experts = plan.experts
    if experiment.model.moe is not None and experts.shard == "whole":
        ep, rest = divmod(tp * dp, experts.tp)
        if rest:
            return None
        redundant = _redundant(experiment.model.moe.experts, experts.redundant, ep, experts.replicates)
        experts = replace(experts, ep=None if experts.ep is None else ep, redundant=redundant)
    nodes = max(cluster.nodes, ceil(experiment.serving.instances * tp * dp * pp / cluster.node.devices))
    network = cluster.network
    if network is None and nodes > 1:
        network = UNNAMED_NETWORK
    return replace(
        experiment,
        parallelism=replace(plan, attention=replace(plan.attention, tp=tp, dp=dp), experts=experts, pp=pp),
        cluster=replace(cluster, nodes=nodes, network=network),
    )


def _redundant(experts: int, given: int, ep: int, replicable: bool) -> int:
    """The replicas given, or the next number of them that fills every rank alike."""
    missing = -(experts + given) % ep
    return given + missing if replicable else given


def _distance(a: Experiment, b: Experiment) -> tuple[float, int, int, int]:
    """How far `b` is from `a`; ties go to fewer ranks, fewer stages, less tensor parallelism."""
    old, new = layout_of(a), layout_of(b)
    doublings = abs(log2(new.tp / old.tp)) + abs(log2(new.dp / old.dp)) + PP_WEIGHT * abs(log2(new.pp / old.pp))
    nodes = NODE_WEIGHT * log2(b.cluster.nodes / a.cluster.nodes)
    replicas = b.parallelism.experts.redundant != a.parallelism.experts.redundant
    return (doublings + nodes + 0.25 * replicas, new.world, new.pp, new.tp)


def _changes(a: Experiment, b: Experiment) -> tuple[str, ...]:
    pairs = (
        ("nodes", a.cluster.nodes, b.cluster.nodes),
        ("attention.tp", a.parallelism.attention.tp, b.parallelism.attention.tp),
        ("attention.dp", a.parallelism.attention.dp, b.parallelism.attention.dp),
        ("experts.ep", a.parallelism.experts.ep, b.parallelism.experts.ep),
        ("experts.redundant", a.parallelism.experts.redundant, b.parallelism.experts.redundant),
        ("pp", a.parallelism.pp, b.parallelism.pp),
    )
    return tuple(f"{path} = {new}" for path, old, new in pairs if old != new)
