"""The phases' batches are as full as scheduler, cache and workload let them be."""

import pytest

from moec.dsl.schema import KvCache, Scheduler, Serving
from moec.run.phases import Typical, phase_batches


def batches(*, sequences=8, budget=1000, blocks=10_000, typical=(100, 60), requests=1000):
    serving = Serving(Scheduler(sequences, budget), KvCache(block=16))
    return phase_batches(serving, blocks, Typical(*typical, requests, assumed=False))


def test_prefill_fills_the_token_budget_with_whole_prompts():
    prefill = batches(budget=350)["prefill"]

    assert prefill.new.tolist() == [100, 100, 100]
    assert prefill.context.tolist() == [0, 0, 0]


def test_a_prompt_longer_than_the_budget_is_a_chunk_of_it():
    assert batches(budget=64)["prefill"].new.tolist() == [64]


def test_decode_runs_halfway_through_the_outputs():
    decode = batches()["decode"]

    assert decode.new.tolist() == [1] * 8
    assert decode.context.tolist() == [130] * 8


@pytest.mark.parametrize(
    ("options", "running"),
    [({"sequences": 5}, 5), ({"blocks": 30}, 3), ({"requests": 2}, 2), ({"blocks": 1}, 1), ({"budget": 4}, 2)],
)
def test_decode_is_limited_by_scheduler_cache_workload_and_budget(options, running):
    assert len(batches(**options)["decode"].new) == running


def test_mixed_spends_the_rest_of_the_budget_on_a_prompt():
    mixed = batches(budget=58)["mixed"]

    assert mixed.new.tolist() == [1] * 8 + [50]
