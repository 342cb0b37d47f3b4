"""The figures of a run: vLLM's names, vLLM's conventions."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moec.dsl.schema import Goal
from moec.report.metrics import gap_statistics, summary
from moec.serving.results import TokenGaps

STATISTICS = ("mean", "median", "std", "p90", "p95", "p99")


def test_the_keys_are_those_of_vllm_bench_serve_and_moecs_own(small_results):
    keys = set(summary(small_results))

    assert keys == {
        "duration", "completed", "total_input_tokens", "total_output_tokens", "request_throughput",
        "output_throughput", "total_token_throughput", "iterations", "wall_s", "backend", "kv_blocks", "preemptions",
        "seed", *(f"{s}_{m}_ms" for s in STATISTICS for m in ("ttft", "tpot", "itl", "e2el")),
    }  # fmt: skip


def test_only_finished_requests_count_and_the_clock_starts_with_the_run(small_results):
    report = summary(small_results)

    assert report["completed"] == 2
    assert report["duration"] == 0.1
    assert report["total_input_tokens"] == 300
    assert report["total_output_tokens"] == 4
    assert report["output_throughput"] == pytest.approx(40)
    assert report["total_token_throughput"] == pytest.approx(3040)


def test_a_request_of_one_token_has_a_ttft_but_no_tpot(small_results):
    report = summary(small_results)

    assert report["mean_ttft_ms"] == pytest.approx((30 + 50) / 2)
    assert report["mean_tpot_ms"] == report["p99_tpot_ms"] == pytest.approx((100 - 40) / 2)
    assert report["median_e2el_ms"] == pytest.approx((90 + 50) / 2)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 40)), min_size=1, max_size=30))
def test_run_lengths_give_what_the_list_of_all_gaps_would(pairs):
    gaps = TokenGaps(*(np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True)))
    every = np.repeat(gaps.gap_ns, gaps.count) / 1e6

    report = gap_statistics(gaps)

    assert report["mean_itl_ms"] == pytest.approx(np.mean(every))
    assert report["std_itl_ms"] == pytest.approx(np.std(every), abs=1e-6)
    assert report["median_itl_ms"] == pytest.approx(np.median(every))
    for q in (90, 95, 99):
        assert report[f"p{q}_itl_ms"] == pytest.approx(np.percentile(every, q))


def test_no_gaps_read_zero_as_in_vllm():
    empty = np.zeros(0, dtype=np.int64)

    assert set(gap_statistics(TokenGaps(empty, empty)).values()) == {0.0}


def test_a_goal_says_what_was_reached_and_how_many_requests_met_all_of_them(small_results):
    report = summary(small_results, Goal(ttft_p99=0.045, tpot_p99=0.05))

    assert report["goals"]["ttft_p99"] == {"goal_ms": 45.0, "reached_ms": pytest.approx(49.8), "met": False}
    assert report["goals"]["tpot_p99"]["met"] is True
    assert report["goal_attainment"] == 0.5
    assert report["request_goodput"] == pytest.approx(10)


def test_a_request_of_one_token_cannot_miss_a_tpot_goal(small_results):
    report = summary(small_results, Goal(tpot_p99=0.02))

    assert report["goal_attainment"] == 0.5


def silent(results, *which: int):
    """`results` with these requests generating nothing: finished, without a first token."""
    output, first = results.requests.output_tokens.copy(), results.requests.first_token_ns.copy()
    output[list(which)], first[list(which)] = 0, -1
    return replace(results, requests=replace(results.requests, output_tokens=output, first_token_ns=first))


def test_a_request_without_output_is_counted_and_left_out_of_what_it_does_not_have(small_results):
    report = summary(silent(small_results, 1), Goal(ttft_p99=0.035))

    assert (report["completed"], report["without_output"]) == (2, 1)
    assert report["mean_ttft_ms"] == report["p99_ttft_ms"] == pytest.approx(30)
    assert report["mean_e2el_ms"] == pytest.approx((90 + 50) / 2)
    assert report["goal_attainment"] == 1.0
    assert report["request_goodput"] == pytest.approx(10)


def test_a_goal_is_not_met_by_data_that_are_missing(small_results):
    report = summary(silent(small_results, 0, 1), Goal(ttft_p99=10, tpot_p99=10))

    assert report["goals"]["ttft_p99"] == {"goal_ms": 10_000, "reached_ms": None, "met": False}
    assert report["goals"]["tpot_p99"]["met"] is False
    assert report["goal_attainment"] == report["request_goodput"] == 0.0
