"""What held a run back is read off its iterations."""

from dataclasses import replace

import numpy as np
import pytest

from moec.dsl.schema import Scheduler, Serving
from moec.report.limits import limits_of, phase_shares

SERVING = Serving(scheduler=Scheduler(max_sequences=100, max_batched_tokens=1000))


def limits(results, **columns):
    changed = {name: np.array(values, dtype=np.int64) for name, values in columns.items()}
    return limits_of(replace(results, iterations=replace(results.iterations, **changed)), SERVING, dp=2)


def test_peaks_and_capacity_are_of_all_ranks_of_an_instance(small_results):
    found = limits(small_results)

    assert (found.peak_running, found.peak_waiting) == (2, 1)
    assert (found.peak_kv_blocks, found.capacity_kv_blocks) == (20, 100)
    assert found.busy == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("columns", "cause"),
    [
        ({"running": [200, 1]}, "max_sequences"),
        ({"prefill_tokens": [2000, 0]}, "max_batched_tokens"),
        ({"kv_blocks_used": [99, 1]}, "KV cache was full"),
        ({}, "rank was busier"),
    ],
)
def test_waiting_is_put_down_to_the_limit_that_was_reached(small_results, columns, cause):
    sentence = limits(small_results, **columns).sentence()

    assert cause in sentence
    assert "60%" in sentence


def test_nobody_waited(small_results):
    assert limits(small_results, waiting=[0, 0]).sentence().startswith("No request had to wait")


def test_phases_share_the_time_of_the_iterations(small_results):
    shares = phase_shares(small_results.iterations)

    assert shares == {"prefill": pytest.approx(2 / 3), "decode": pytest.approx(1 / 3), "mixed": 0}
