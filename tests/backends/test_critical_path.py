"""The critical path has no gap, and says who was waited for."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from moec.backends.critical_path import critical_path, path_shares
from moec.backends.fast.backend import FastBackend
from moec.backends.registry import backend_of
from moec.backends.timeline import timeline
from moec.compiler.lower import lower
from moec.dsl.schema import AstraSystem, FastOptions, Routing, Zipf
from support.cases import MODELS, experiment, program, random_batch

pytestmark = pytest.mark.slow  # walks whole graphs

PLANS = [
    {"tp": 1, "dp": 4},
    {"tp": 2, "dp": 4},
    {"tp": 2, "dp": 2, "pp": 2},
    {"tp": 1, "dp": 4, "pp": 3, "overlap": "two_batch"},
    {"tp": 2, "dp": 4, "overlap": "two_batch"},
]


def timed(plan: dict, model: str = "mixture", seed: int = 3, interference: float = 0.0, mode: str = "expected"):
    e = experiment(MODELS[model], **plan, routing=Routing(Zipf(0.8), "shuffled", 1))
    e = replace(e, parallelism=replace(e.parallelism, interference=interference))
    graph = lower(program(e), random_batch(np.random.default_rng(seed), plan["dp"]), mode)
    return graph, FastBackend.of(e).run(graph)


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("model", ["mixture", "shared", "windowed"])
@pytest.mark.parametrize("mode", ["expected", "drawn"])
@pytest.mark.parametrize("interference", [0.0, 0.3])
def test_the_path_leads_from_zero_to_the_end_without_a_gap(plan, model, mode, interference):
    graph, timing = timed(plan, model, interference=interference, mode=mode)
    path = critical_path(graph, timing)
    assert path[0].start_ns == 0
    assert path[-1].end_ns == timing.makespan_ns
    assert all(a.end_ns == b.start_ns for a, b in pairwise(path))
    assert sum(step.share for step in path) == pytest.approx(1)


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_the_timeline_has_every_step_of_the_path(plan):
    graph, timing = timed(plan)
    events = {(e.rank, e.name, e.start_ns, e.end_ns) for e in timeline(graph, timing)}
    for step in critical_path(graph, timing):
        assert (step.rank, step.name, step.start_ns, step.end_ns) in events
    assert max(end for *_, end in events) == timing.makespan_ns


def test_the_exchange_waits_for_the_rank_with_most_to_do():
    e = experiment(MODELS["mixture"], dp=4)
    batch = list(random_batch(np.random.default_rng(0), 4, prompts=0.0))
    batch[2] = replace(batch[2], new=np.array([5000]), context=np.array([0]))
    graph = lower(program(e), tuple(batch))
    timing = FastBackend.of(e).run(graph)
    dispatches = [s for s in critical_path(graph, timing) if s.name == "dispatch"]
    assert {s.rank for s in dispatches} == {2}
    assert all(s.idle_ns > 0 for s in dispatches)
    events = [x for x in timeline(graph, timing, [0]) if x.name == "dispatch"]
    assert {x.waits_for for x in events} == {2}
    assert all(x.ready_ns < x.start_ns for x in events)


def test_shares_sum_up_by_name():
    graph, timing = timed(PLANS[1])
    shares = path_shares(critical_path(graph, timing))
    assert sum(s.time_ns for s in shares) == timing.makespan_ns
    assert [s.time_ns for s in shares] == sorted((s.time_ns for s in shares), reverse=True)
    assert next(s for s in shares if s.name == "experts").count == MODELS["mixture"].layers


def test_a_timing_without_ops_is_refused():
    e = experiment(MODELS["mixture"], dp=4)
    graph = lower(program(e), random_batch(np.random.default_rng(0), 4))
    with pytest.raises(ValueError, match="with its ops"):
        critical_path(graph, FastBackend.of(e).run(graph, detail=False))


@pytest.mark.parametrize("plan", PLANS[3:], ids=str)
@pytest.mark.parametrize("model", ["mixture", "shared"])
def test_a_kernel_beside_exchanges_loses_its_share_of_the_time_they_last(plan, model):
    """Held against the finished timeline: time taken = time alone + interference × time beside an exchange."""
    share = 0.3
    graph, timing = timed(plan, model, interference=share)
    alone = {}
    for event in timeline(*timed(plan, model)):
        alone[event.rank, event.block, event.op, event.repeat] = event.end_ns - event.start_ns
    by_rank: dict[int, list] = {}
    for event in timeline(graph, timing):
        by_rank.setdefault(event.rank, []).append(event)
    slowed = 0
    for events in by_rank.values():
        talks = [e for e in events if e.stream == "comm" and e.name != "send"]
        for kernel in (e for e in events if e.stream == "compute"):
            beside = [max(0, min(kernel.end_ns, t.end_ns) - max(kernel.start_ns, t.start_ns)) for t in talks]
            took = kernel.end_ns - kernel.start_ns
            expected = alone[kernel.rank, kernel.block, kernel.op, kernel.repeat] + share * sum(beside)
            assert took == pytest.approx(expected, abs=1 + sum(b > 0 for b in beside))
            slowed += sum(beside) > 0
    assert slowed > 10


def test_members_that_start_when_they_like_wait_for_nobody():
    e = replace(experiment(MODELS["mixture"], dp=4), backend=FastOptions(network=AstraSystem()))
    graph = lower(program(e), random_batch(np.random.default_rng(3), 4))
    timing = backend_of(e).run(graph)
    path = critical_path(graph, timing)
    assert path[0].start_ns == 0
    assert path[-1].end_ns == timing.makespan_ns
    assert all(a.end_ns == b.start_ns for a, b in pairwise(path))
    assert all(x.waits_for in (None, x.rank) for x in timeline(graph, timing))
