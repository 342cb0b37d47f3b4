"""The loop with its leaps is, to the nanosecond, a literal walk over vLLM's scheduler."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.serving_cases import Case, assert_equal
from support.serving_reference import Rules

pytestmark = pytest.mark.slow  # thousands of runs beside the literal loop


def examples(count: int) -> settings:
    """No time limits for slow machines."""
    return settings(
        max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
    )


@st.composite
def prompts(draw: st.DrawFn, block: int, per_id: int, most: int) -> tuple[int, tuple[int, ...] | None]:
    """Prompt length and ids that share prefixes of whole blocks with other prompts, often all of it."""
    length = draw(st.integers(1, most))
    ids = -(-length // per_id)
    split = draw(st.integers(0, ids))
    return length, tuple(
        [7] * split + [draw(st.integers(0, 2)) for _ in range(min(ids - split, 3))] + [1] * max(ids - split - 3, 0)
    )


@st.composite
def cases(draw: st.DrawFn, pp: int = 1) -> Case:
    block = draw(st.integers(1, 16))
    caching = draw(st.booleans())
    per_id = draw(st.sampled_from([1, 1, block])) if caching else 1
    longest = draw(st.sampled_from([3, 12, 60]))
    count = draw(st.integers(1, 14))
    tick = draw(st.sampled_from([0, 50, 400, 5000]))
    now, requests = 0, []
    for _ in range(count):
        now += tick * draw(st.integers(0, 6))
        length, ids = draw(prompts(block, per_id, longest))
        requests.append(
            (now, length, draw(st.integers(0, draw(st.sampled_from([1, 4, 40])))), ids if caching else None)
        )
    chunked = draw(st.booleans())
    sequences = draw(st.integers(1, 8))
    least = max(sequences, 1 if chunked else longest)
    room = max(-(-(length + max(output, 1) - 1) // block) for _, length, output, _ in requests)
    rules = Rules(
        instances=draw(st.sampled_from([1, 1, 2, 3])),
        dp=draw(st.integers(1, 4)),
        pp=pp if pp == 1 else draw(st.integers(2, 3)),
        max_sequences=sequences,
        max_batched_tokens=least + draw(st.sampled_from([0, 1, 5, 40])),
        chunked=chunked,
        block=block,
        kv_blocks=room + draw(st.sampled_from([0, 1, 3, 10, 1000])),
        caching=caching,
        window=draw(st.sampled_from([None, None, 1, 5, 30])),
        dummy=draw(st.booleans()),
        round_robin=draw(st.booleans()),
        concurrency=draw(st.sampled_from([None, None, 1, 3, 8])),
        step_ns=draw(st.sampled_from([0, 13, 400, 3000])),
        sequence_ns=draw(st.sampled_from([0.0, 2.37])),
        asynchronous=draw(st.booleans()),
        gap_ns=draw(st.sampled_from([0, 29])),
        admission_ns=draw(st.sampled_from([0, 0, 170])),
        host_blocks=draw(st.sampled_from([0, 0, None, 1, 4, 20])),
    )  # fmt: skip
    return Case(rules, tuple(requests), per_id, draw(st.sampled_from([None, None, 100])))


@examples(200)
@given(cases())
def test_lockstep_is_the_reference(case: Case) -> None:
    assert_equal(case)


@examples(70)
@given(cases(pp=2))
def test_pipeline_is_the_reference(case: Case) -> None:
    assert_equal(case)


def saturated(seed: int, pp: int, host_blocks: int | None = 0) -> Case:
    """Many requests with a shared beginning, in a cache that holds a few of them."""
    rng = np.random.default_rng(seed)
    block, caching = int(rng.choice([1, 2, 3, 4, 8, 16])), bool(rng.random() < 0.7)
    equal = None if rng.random() < 0.7 else 250
    requests = []
    for now in np.sort(rng.integers(0, int(rng.choice([1, 5_000, 60_000])), int(rng.integers(8, 30)))):
        length, output = int(rng.integers(1, 50)), int(rng.integers(0, 60))
        shared = int(rng.integers(0, length + 1))
        ids = tuple([3] * shared + rng.integers(0, 3, length - shared).tolist())
        requests.append((int(now) // (equal or 1) * (equal or 1), length, output, ids if caching else None))
    room = max(-(-(length + max(output, 1) - 1) // block) for _, length, output, _ in requests)
    chunked, sequences = bool(rng.random() < 0.7), int(rng.integers(2, 12))
    rules = Rules(
        instances=int(rng.choice([1, 1, 2])),
        dp=int(rng.choice([1, 1, 2, 3])),
        pp=pp if pp == 1 else int(rng.integers(2, 4)),
        max_sequences=sequences,
        max_batched_tokens=max(sequences, 1 if chunked else 50) + int(rng.integers(0, 30)),
        chunked=chunked,
        block=block,
        kv_blocks=room + int(rng.integers(0, room + 1)),
        caching=caching,
        window=None if rng.random() < 0.5 else int(rng.integers(1, 80)),
        dummy=bool(rng.random() < 0.5),
        round_robin=bool(rng.random() < 0.5),
        concurrency=None if rng.random() < 0.7 else int(rng.integers(1, 12)),
        step_ns=0 if equal else 7,
        sequence_ns=0.0 if equal else 2.37,
        asynchronous=bool(rng.random() < 0.5),
        host_blocks=host_blocks,
    )
    return Case(rules, tuple(requests), equal_ns=equal)


@pytest.mark.parametrize(("pp", "runs"), [(1, 50), (2, 16)])
def test_a_saturated_cache_is_the_reference(pp: int, runs: int) -> None:
    served = [assert_equal(saturated(seed, pp)) for seed in range(runs)]

    assert sum(any(r.preemptions for r in requests) for requests in served) > runs / 2
    assert sum(any(r.preemptions > 1 for r in requests) for requests in served) > runs / 5
    assert sum(any(r.cached for r in requests) for requests in served) > runs / 3


def test_a_request_that_comes_back_alike_leaves_the_window_once() -> None:
    """Preempted in the step in which it is admitted again, alone on its rank, a request decodes on as if nothing had been."""
    rules = Rules(
        instances=2, dp=2, pp=1, max_sequences=2, max_batched_tokens=4, chunked=False, block=7, kv_blocks=5, caching=True,
        window=30, dummy=True, round_robin=False, concurrency=None, step_ns=0, sequence_ns=0.0, asynchronous=True,
        gap_ns=0, admission_ns=0,
    )  # fmt: skip
    arrivals = ((0, 2, 0), (0, 1, 0), (0, 2, 15), (100, 1, 0), (100, 1, 0), (150, 1, 0), (150, 1, 0), (150, 3, 29))
    ids = (0, 0, 0, 7, 7, 0, 7, 0)
    requests = tuple((*arrival, (i,)) for arrival, i in zip(arrivals, ids, strict=True))

    assert_equal(Case(rules, requests, tokens_per_id=7))


@pytest.mark.parametrize(("pp", "runs"), [(1, 50), (2, 16)])
@pytest.mark.parametrize("host_blocks", [None, 6])
def test_a_saturated_cache_swaps_as_the_reference(pp: int, runs: int, host_blocks: int | None) -> None:
    served = [assert_equal(saturated(seed, pp, host_blocks)) for seed in range(runs)]

    assert sum(any(r.swaps for r in requests) for requests in served) > runs / 3
    fallbacks = sum(r.preemptions - r.swaps for requests in served for r in requests)
    assert (fallbacks == 0) == (host_blocks is None)
