"""From a workload to its stream of requests: laws, seeds, order, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from moec.dsl.schema import (
    Burst,
    ClosedLoop,
    Constant,
    Experiment,
    GammaArrivals,
    Lengths,
    LognormalLength,
    Poisson,
    Recorded,
    Scheduler,
    TraceRequests,
    UniformLength,
    Workload,
)
from moec.serving.feasible import servable
from moec.serving.requests.stream import RequestStream, workload_of
from moec.serving.requests.synthetic import arrival_times, request_lengths
from support.serving_cases import Case, experiment_of
from support.serving_reference import Rules

RULES = Rules(1, 1, 1, 4, 16, True, 16, 8, False, None, False, False, None, 0, 0.0)
MANY = 40_000


def asked(workload: Workload, seed: int = 0) -> Experiment:
    return replace(experiment_of(Case(RULES, ((0, 1, 1, None),))), workload=workload, seed=seed)


def stream_of(workload: Workload, seed: int = 0) -> RequestStream:
    stream, found = workload_of(asked(workload, seed))
    assert not found
    assert stream is not None
    return stream


def refused(workload: Workload) -> list[tuple[str, str]]:
    stream, found = workload_of(asked(workload))
    assert stream is None
    return [(d.code, d.title) for d in found]


@pytest.mark.parametrize(
    ("arrivals", "cv"), [(Poisson(8.0), 1.0), (GammaArrivals(8.0, 2.0), 2.0), (GammaArrivals(8.0, 0.25), 0.25)]
)
def test_arrivals_have_the_rate_and_variation_of_their_law(arrivals, cv: float) -> None:
    times = arrival_times(arrivals, MANY, seed=3)
    gaps = np.diff(times, prepend=0)

    error = cv / np.sqrt(MANY)
    assert gaps.mean() == pytest.approx(125e6, rel=5 * error)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.05)
    assert (gaps >= 0).all()


def test_gamma_with_unit_variation_is_exponential() -> None:
    gaps = np.diff(arrival_times(GammaArrivals(1.0, 1.0), MANY, seed=1)) / 1e9

    assert np.exp(-1.0) == pytest.approx((gaps > 1).mean(), abs=0.01)
    assert np.exp(-2.5) == pytest.approx((gaps > 2.5).mean(), abs=0.01)


def test_constant_arrivals_do_not_drift() -> None:
    times = arrival_times(Constant(3.0), 100_000, seed=0)

    assert times[0] == 0
    assert np.abs(times - np.arange(100_000) * 1e9 / 3).max() <= 0.51


def test_a_burst_is_at_zero() -> None:
    assert not arrival_times(Burst(), 5, seed=0).any()


def test_lengths_follow_their_laws() -> None:
    prompt, answer = request_lengths(Lengths(UniformLength(3, 6), LognormalLength(200, 100), MANY), seed=5)

    assert set(prompt.tolist()) == {3, 4, 5, 6}
    assert prompt.mean() == pytest.approx(4.5, abs=0.05)
    assert answer.mean() == pytest.approx(200, rel=0.02)
    assert answer.std() == pytest.approx(100, rel=0.05)
    assert answer.min() >= 1


def test_a_lognormal_without_spread_is_its_mean() -> None:
    assert set(request_lengths(Lengths(LognormalLength(70, 0), 1, 9), seed=0)[0].tolist()) == {70}


def test_what_one_law_draws_never_changes_another() -> None:
    law = Lengths(UniformLength(1, 1000), UniformLength(1, 1000), 50)
    prompt, answer = request_lengths(law, seed=0)

    assert not np.array_equal(prompt, answer)
    assert np.array_equal(request_lengths(replace(law, output=9), seed=0)[0], prompt)
    assert np.array_equal(request_lengths(replace(law, input=LognormalLength(9, 9)), seed=0)[1], answer)
    more = request_lengths(replace(law, count=80), seed=0)[0]
    assert np.array_equal(more[:50], prompt)


def test_own_seeds_come_before_the_experiments() -> None:
    lengths = Lengths(UniformLength(1, 1000), 1, 20)
    by_experiment = [stream_of(Workload(lengths, Poisson(1.0)), seed) for seed in (0, 0, 1)]
    first, again, other = by_experiment

    assert np.array_equal(first.arrival_ns, again.arrival_ns)
    assert not np.array_equal(first.arrival_ns, other.arrival_ns)
    assert not np.array_equal(first.input_tokens, other.input_tokens)
    own = Workload(replace(lengths, seed=7), Poisson(1.0, seed=7))
    assert np.array_equal(stream_of(own, 0).arrival_ns, stream_of(own, 1).arrival_ns)
    assert np.array_equal(stream_of(own, 0).input_tokens, stream_of(own, 1).input_tokens)


def test_requests_come_in_the_order_of_their_arrival(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("request_id,input_tokens,output_tokens,arrival_s\na,1,1,2\nb,2,2,1\nc,3,3,2\nd,4,4,1\n")

    stream = stream_of(Workload(TraceRequests(str(file)), Recorded(speed=2)))

    assert stream.request_id == ("b", "d", "a", "c")
    assert stream.input_tokens.tolist() == [2, 4, 1, 3]
    assert stream.arrival_ns.tolist() == [500_000_000, 500_000_000, 1_000_000_000, 1_000_000_000]


def test_a_trace_may_get_other_arrivals(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("input_tokens,output_tokens,arrival_s\n1,1,9\n2,2,8\n3,3,7\n")

    assert stream_of(Workload(TraceRequests(str(file), 2), Constant(1.0))).arrival_ns.tolist() == [0, 1_000_000_000]
    closed = stream_of(Workload(TraceRequests(str(file)), ClosedLoop(2)))
    assert closed.request_id == ("0", "1", "2")
    assert closed.arrival_ns.tolist() == [0, 0, 0]


def test_what_has_no_arrivals_cannot_be_replayed(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("input_tokens,output_tokens\n1,1\n")

    assert refused(Workload(Lengths(1, 1, 1))) == [("M515", "synthetic requests have no recorded arrivals")]
    assert refused(Workload(TraceRequests(str(file)))) == [("M515", "`t.csv` has no arrival times to replay")]


def test_request_ids_are_unique(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("request_id,input_tokens,output_tokens,arrival_s\na,1,1,0\nb,1,1,0\na,1,1,0\n")

    assert refused(Workload(TraceRequests(str(file)))) == [("M516", "request id `a` stands for several requests")]


def test_arrivals_beyond_the_clock_are_refused() -> None:
    workload = Workload(Lengths(1, 1, 10), Poisson(1e-12))

    assert refused(workload) == [("M513", "the last request arrives after more than 73 years")]


def streamed(*requests: tuple[int, int]) -> RequestStream:
    prompt, answer = (np.array(column, dtype=np.int64) for column in zip(*requests, strict=True))
    names = tuple(f"r{i}" for i in range(len(requests)))
    return RequestStream(names, np.zeros(len(requests), np.int64), prompt, answer)


def test_a_request_that_no_cache_holds_is_named() -> None:
    e = asked(Workload(Lengths(1, 1, 1), Burst()))
    (found,) = servable(e, streamed((100, 29), (100, 30), (128, 0), (128, 1)), kv_blocks=8)

    assert (found.code, found.title) == ("M518", "request `r1` can never fit in the KV cache")
    assert found.label == (
        "100 prompt + 30 generated tokens need 129 of them; 8 blocks of 16 tokens hold 128 tokens per attention-DP rank"
    )


def test_many_such_requests_are_counted() -> None:
    e = asked(Workload(Lengths(1, 1, 1), Burst()))
    unlike = servable(e, streamed(*[(200 + i, 1) for i in range(9)]), kv_blocks=8)
    alike = servable(e, streamed(*[(200, 1)] * 9), kv_blocks=8)

    assert [d.title for d in unlike] == [
        *(f"request `r{i}` can never fit in the KV cache" for i in range(5)),
        "4 more requests have the same problem",
    ]
    assert [d.title for d in alike] == [
        "request `r0` can never fit in the KV cache",
        "8 more requests have the same problem",
    ]


def test_a_prompt_beyond_the_budget_needs_chunks() -> None:
    e = asked(Workload(Lengths(1, 1, 1), Burst()))
    whole = replace(e, serving=replace(e.serving, scheduler=Scheduler(4, 16, chunked_prefill=False)))
    stream = streamed((16, 1), (17, 1))

    assert servable(e, stream, kv_blocks=8) == []
    (found,) = servable(whole, stream, kv_blocks=8)
    assert (found.code, found.title) == ("M519", "the prompt of request `r1` can never be scheduled")
    assert found.label == "17 prompt tokens; 16 tokens per iteration, and no chunked prefill"
    assert found.help == "`max_batched_tokens = 17`, or `chunked_prefill = true`"
