"""Times the serving loop alone: scheduler, cache, router and clock, with a timer that costs next to nothing.

python benchmarks/serving_loop.py [--repeats N] [--case NAME ...]
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moec.backends.base import StepTimes
from moec.compiler.ir.batch import Load
from moec.compiler.sizes.kv_blocks import kv_cache_sizes
from moec.compiler.sizes.layout import Layout
from moec.dsl.schema import (
    AttentionPlan,
    Cluster,
    Compute,
    Device,
    Experiment,
    Gqa,
    KvCache,
    Lengths,
    Model,
    Moe,
    Node,
    Parallelism,
    Poisson,
    Serving,
    Workload,
)
from moec.serving.engine.config import engine_config
from moec.serving.loop import serve
from moec.serving.requests.stream import workload_of


@dataclass(frozen=True, slots=True)
class Case:
    """Requests of 1024 prompt and 256 generated tokens, Poisson at `rate` a second."""

    name: str
    requests: int
    ranks: int
    rate: float
    pp: int = 1


CASES = (
    Case("10k_one_rank", 10_000, 1, 8.0),
    Case("10k_32_ranks", 10_000, 32, 10.0),
    Case("100k_one_rank", 100_000, 1, 8.0),
    Case("2k_two_stages", 2_000, 1, 8.0, pp=2),
)


class Affine:
    """Linear in tokens and cached positions; the slowest rank decides. 25 ms a step at 8 requests a second."""

    def times(self, load: Load) -> StepTimes:
        """See `StepTimer`."""
        rank = 2e7 + 3e4 * load.chunk_tokens + 2e4 * load.decodes + 0.05 * load.decode_kv
        latency = rank.max(axis=-1).astype(np.int64)
        return StepTimes(latency, latency[:, None] // np.array([2, 2]))


def run(case: Case) -> tuple[float, int]:
    """Seconds of simulation and iterations."""
    device = Device(8e10, 3e12, Compute(1e15))
    experiment = Experiment(
        Model(4, 1024, 32000, Gqa(8, 8, 64), moe=Moe(32, 4, 512)),
        Cluster(case.ranks, Node(device, 1)),
        Parallelism(AttentionPlan(1, case.ranks), pp=case.pp),
        serving=Serving(kv_cache=KvCache(blocks=9000)),
        workload=Workload(Lengths(1024, 256, case.requests), Poisson(case.rate)),
    )
    stream, _ = workload_of(experiment)
    assert stream is not None
    layout = Layout(1, case.ranks, case.pp, case.ranks, 1)
    engine = engine_config(experiment, Affine(), layout, kv_cache_sizes(experiment, 9000))
    results, problems = serve(experiment, stream, [engine], backend="affine")
    assert results is not None, problems
    return results.wall_s, len(results.iterations.start_ns)


def main(arguments: Sequence[str]) -> None:
    """Prints one row per case: the median over the repeats, and what it comes to per iteration."""
    parser = argparse.ArgumentParser(description="Time the serving loop alone.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES])
    options = parser.parse_args(arguments)
    print(f"{'case':<15} {'seconds':>8} {'requests/s':>11} {'iterations':>11} {'us/iteration':>13}")
    for case in (c for c in CASES if not options.case or c.name in options.case):
        runs = [run(case) for _ in range(options.repeats)]
        seconds, iterations = statistics.median(r[0] for r in runs), runs[0][1]
        print(
            f"{case.name:<15} {seconds:>8.2f} {case.requests / seconds:>11,.0f} {iterations:>11,}"
            f" {seconds / iterations * 1e6:>13.1f}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
