"""Laws that hold for every experiment: faster parts never make it slower, balance pays at scale, seeds decide all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moec.backends.fast.backend import FastBackend
from moec.compiler.ir.batch import RankBatch
from moec.compiler.lower import lower
from moec.dsl.schema import Experiment, Moe, Routing, Zipf
from support.cases import GPU, MIXTURE, MODELS, NIC, experiment, program, random_batch

pytestmark = pytest.mark.slow  # random experiments

PARTS = ["memory", "compute", "scale_up", "scale_out", "latency"]


def faster(e: Experiment, part: str) -> Experiment:
    """The same experiment with one part twice as fast."""
    node, network = e.cluster.node, e.cluster.network
    assert network is not None
    device = node.device
    assert device.link is not None
    match part:
        case "memory":
            device = replace(device, bandwidth=2 * device.bandwidth)
        case "compute":
            device = replace(device, compute=replace(device.compute, bf16=2 * device.compute.bf16))
        case "scale_up":
            device = replace(device, link=replace(device.link, bandwidth=2 * device.link.bandwidth))
        case "scale_out":
            network = replace(network, link=replace(NIC, bandwidth=2 * NIC.bandwidth))
        case "latency":
            network = replace(network, link=replace(NIC, latency=NIC.latency / 2))
    return replace(e, cluster=replace(e.cluster, node=replace(node, device=device), network=network))


def makespan(e: Experiment, batch: tuple[RankBatch, ...], mode: str = "expected") -> int:
    return int(FastBackend.of(e).run(lower(program(e), batch, mode)).makespan_ns)  # type: ignore[arg-type]


@given(
    seed=st.integers(0, 10**6),
    model=st.sampled_from(sorted(MODELS)),
    plan=st.sampled_from([(1, 1, 1), (2, 4, 1), (1, 8, 1), (4, 1, 2), (2, 2, 2)]),
    part=st.sampled_from(PARTS),
    overlap=st.sampled_from(["none", "two_batch"]),
)
@settings(max_examples=40, deadline=None)
def test_a_faster_part_never_slows_anything(
    seed: int, model: str, plan: tuple[int, int, int], part: str, overlap: str
) -> None:
    tp, dp, pp = plan
    e = experiment(MODELS[model], tp=tp, dp=dp, pp=pp, overlap=overlap if MODELS[model].moe else "none", device=GPU)
    batch = random_batch(np.random.default_rng(seed), dp)
    assert makespan(faster(e, part), batch) <= makespan(e, batch)


BIG = replace(MIXTURE, moe=Moe(64, 4, 1024))


def prompts(tokens: int, dp: int) -> tuple[RankBatch, ...]:
    return tuple(RankBatch(np.array([tokens]), np.array([0])) for _ in range(dp))


def decodes(count: int, dp: int) -> tuple[RankBatch, ...]:
    return tuple(RankBatch(np.ones(count, np.int64), np.full(count, 500)) for _ in range(dp))


@pytest.mark.parametrize("mode", ["expected", "drawn"])
@pytest.mark.parametrize("exponent", [0.5, 0.8, 1.2])
def test_balance_is_never_slower_at_large_batch(mode: str, exponent: float) -> None:
    even, skewed = (experiment(BIG, dp=8, routing=Routing(r, "same", 3)) for r in (Zipf(0.0), Zipf(exponent)))
    assert makespan(even, prompts(4096, 8), mode) <= makespan(skewed, prompts(4096, 8), mode)


@pytest.mark.parametrize("exponent", [0.5, 0.8, 1.2])
def test_skew_is_not_slower_for_a_handful_of_tokens_on_one_gpu(exponent: float) -> None:
    """Few tokens that agree touch fewer experts, and decode time follows the experts touched."""
    even, skewed = (experiment(BIG, routing=Routing(r, "same", 3)) for r in (Zipf(0.0), Zipf(exponent)))
    assert makespan(skewed, decodes(8, 1)) <= makespan(even, decodes(8, 1))


def test_time_does_not_depend_on_where_the_layers_end() -> None:
    """Folded repeats are extrapolated exactly: twice the layers, twice the layers' time."""
    batch = prompts(64, 4)
    times = [makespan(experiment(replace(MIXTURE, layers=n), dp=4, overlap="two_batch"), batch) for n in (10, 20, 30)]
    assert times[2] - times[1] == times[1] - times[0]
