"""The figures of a serving run, by the names and the conventions of `vllm bench serve`.

Source: vLLM, vllm/benchmarks/serve.py, `calculate_metrics` (v0.11 to v0.19 agree). Its clock starts with the benchmark,
not with the first arrival, so `duration` runs from time 0 of the run to the last finish. Standard deviations are over
the population, percentiles interpolate linearly (numpy's default), and a latency that no request has reads 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Floats
from moec.backends.base import Tally
from moec.dsl.schema import Goal
from moec.serving.results import RequestTable, Results, TokenGaps

PERCENTILES = (90, 95, 99)


@dataclass(frozen=True, slots=True, eq=False)
class Latencies:
    """Latencies of the finished requests in milliseconds, each `[finished]`.

    `ttft` is NaN for a request without output, `tpot` for one with one output token at most.
    """

    ttft: Floats
    tpot: Floats
    e2el: Floats


def latencies(requests: RequestTable) -> Latencies:
    """Time to first token, time per output token after it, and end to end, of each finished request `[finished]`."""
    done = requests.finish_ns >= 0
    arrival = requests.arrival_ns[done]
    first = np.where(requests.first_token_ns[done] < 0, np.nan, requests.first_token_ns[done])
    finish, after_first = requests.finish_ns[done], requests.output_tokens[done] - 1
    tpot = np.divide(finish - first, after_first, out=np.full(len(first), np.nan), where=after_first > 0)
    return Latencies((first - arrival) / 1e6, tpot / 1e6, (finish - arrival) / 1e6)


def summary(results: Results, goal: Goal | None = None) -> dict[str, Any]:
    """The run in one flat dictionary: `vllm bench serve` keys, moec's own, and how well `goal` was met.

    Times are in milliseconds where the key says so, else in seconds; throughputs are per simulated second.
    """
    requests = results.requests
    done = requests.finish_ns >= 0
    each = latencies(requests)
    return {
        **_volume(requests, done),
        **_statistics("ttft", each.ttft[~np.isnan(each.ttft)]),
        **_statistics("tpot", each.tpot[~np.isnan(each.tpot)]),
        **gap_statistics(results.gaps),
        **_statistics("e2el", each.e2el),
        "iterations": len(results.iterations.start_ns),
        "preemptions": int(results.preemptions),
        **_swaps(results),
        "kv_blocks": int(results.kv_blocks),
        "backend": results.backend,
        **({"timed": tally_json(results.tally)} if results.tally else {}),
        "seed": int(results.seed),
        "wall_s": float(results.wall_s),
        **goal_attainment(each, goal, _duration_s(requests)),
    }


def _swaps(results: Results) -> dict[str, int]:
    """Where preempted requests are swapped: how many were, how many did not fit in host memory, and the bytes moved."""
    if results.swapped is None:
        return {}
    return {
        "preemptions_swapped": int(results.swapped),
        "preemptions_recomputed": int(results.preemptions - results.swapped),
        "swapped_out_bytes": int(results.iterations.swapped_out_bytes.sum()),
        "swapped_in_bytes": int(results.iterations.swapped_in_bytes.sum()),
    }


def tally_json(tally: Tally) -> dict[str, Any]:
    """How many iterations were simulated, reused and estimated; with the ratios that estimates were scaled by.

    `ratio_to_fast` is simulated over estimated time of the iterations that were not estimated; None when all were simulated.
    """
    ratios = np.array(tally.ratios)
    spread = (
        {"min": float(ratios.min()), "median": float(np.median(ratios)), "max": float(ratios.max())}
        if len(ratios)
        else None
    )
    return {
        "simulated": tally.simulated,
        "reused": tally.reused,
        "estimated": tally.estimated,
        "ratio_to_fast": spread,
    }


def goal_attainment(each: Latencies, goal: Goal | None, duration_s: float) -> dict[str, Any]:
    """Per goal its limit, what was reached and whether that is enough; the share of requests that meet all of them.

    A figure that no request has is None and meets nothing; requests without output count neither way.
    `request_goodput` is, as in vLLM, the finished requests per second that meet every goal. Nothing without a goal.
    """
    limits = _limits(goal)
    if not limits:
        return {}
    values = {"ttft_p99": each.ttft, "tpot_p99": each.tpot, "e2el_p99": each.e2el}
    counted = ~np.isnan(each.ttft)
    good = counted.copy()
    report: dict[str, dict[str, float | bool | None]] = {}
    for name, limit_ms in limits.items():
        good &= ~(values[name] > limit_ms)  # a request without a TPOT cannot miss its goal
        known = values[name][~np.isnan(values[name])]
        reached = _statistics("x", known)["p99_x_ms"] if len(known) else None
        report[name] = {"goal_ms": limit_ms, "reached_ms": reached, "met": reached is not None and reached <= limit_ms}
    return {
        "goals": report,
        "goal_attainment": float(good.sum() / counted.sum()) if counted.any() else 0.0,
        "request_goodput": float(good.sum()) / duration_s if duration_s else 0.0,
    }


def gap_statistics(gaps: TokenGaps) -> dict[str, float]:
    """Statistics of the inter-token latencies, as if every token's gap had been listed."""
    order = np.argsort(gaps.gap_ns, kind="stable")
    gap_ms, count = gaps.gap_ns[order] / 1e6, gaps.count[order]
    total = int(count.sum())
    if not total:
        return _statistics("itl", np.zeros(0))
    mean = float((gap_ms * count).sum() / total)
    std = float(np.sqrt((count * (gap_ms - mean) ** 2).sum() / total))
    upto = np.cumsum(count)
    ranks = {"median": 50, **{f"p{q}": q for q in PERCENTILES}}
    return {
        "mean_itl_ms": mean,
        "std_itl_ms": std,
        **{f"{name}_itl_ms": _weighted_percentile(gap_ms, upto, q) for name, q in ranks.items()},
    }


def _weighted_percentile(sorted_values: Floats, upto: NDArray[np.int64], percent: float) -> float:
    """numpy's linear percentile of the list in which `sorted_values[i]` stands `upto[i] − upto[i−1]` times."""
    place = (int(upto[-1]) - 1) * percent / 100
    low = int(place)
    below, above = (
        float(sorted_values[np.searchsorted(upto, min(i, int(upto[-1]) - 1), side="right")]) for i in (low, low + 1)
    )
    return below + (above - below) * (place - low)


def _volume(requests: RequestTable, done: NDArray[np.bool_]) -> dict[str, Any]:
    duration = _duration_s(requests)
    rate = 1 / duration if duration else 0.0
    silent = int((requests.output_tokens[done] == 0).sum())
    inputs, outputs = int(requests.input_tokens[done].sum()), int(requests.output_tokens[done].sum())
    return {
        "duration": duration,
        "completed": int(done.sum()),
        **({"without_output": silent} if silent else {}),
        "total_input_tokens": inputs,
        "total_output_tokens": outputs,
        "request_throughput": int(done.sum()) * rate,
        "output_throughput": outputs * rate,
        "total_token_throughput": (inputs + outputs) * rate,
    }


def _duration_s(requests: RequestTable) -> float:
    return max(0, int(requests.finish_ns.max(initial=0))) / 1e9


def _statistics(name: str, values_ms: Floats) -> dict[str, float]:
    values = values_ms if len(values_ms) else np.zeros(1)
    return {
        f"mean_{name}_ms": float(np.mean(values)),
        f"std_{name}_ms": float(np.std(values)),
        f"median_{name}_ms": float(np.median(values)),
        **{f"p{q}_{name}_ms": float(np.percentile(values, q)) for q in PERCENTILES},
    }


def _limits(goal: Goal | None) -> Mapping[str, float]:
    if goal is None:
        return {}
    given = {"ttft_p99": goal.ttft_p99, "tpot_p99": goal.tpot_p99, "e2el_p99": goal.e2el_p99}
    return {name: limit * 1e3 for name, limit in given.items() if limit is not None}
