"""Several engines of unlike cache, plan and timer in one run: each serves what the router gives it as if it were alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from moec.serving.loop import serve
from moec.serving.requests.stream import RequestStream
from moec.serving.results import Results
from support.serving_cases import Case, engine_of, experiment_of, stream_of
from support.serving_reference import Rules

RULES = Rules(
    instances=1, dp=1, pp=1, max_sequences=8, max_batched_tokens=64, chunked=True, block=4, kv_blocks=100, caching=False,
    window=None, dummy=False, round_robin=True, concurrency=None, step_ns=0, sequence_ns=0.0, host_blocks=0,
)  # fmt: skip


def served(cases: Sequence[Case], stream: RequestStream) -> Results:
    results, problems = serve(experiment_of(cases[0]), stream, [engine_of(case) for case in cases], backend="fake")
    assert results is not None
    assert not problems
    return results


def test_each_engine_has_its_own_cache() -> None:
    """Four requests of 4 prompt and 9 generated tokens, in turn: of four blocks the second engine's older request gets three.

    The newer one is preempted in iteration 5 and computed anew from 900 on, as in `test_swap.py`; the first engine has room.
    """
    roomy = Case(RULES, ((0, 4, 9, None),) * 4, equal_ns=100)
    tight = replace(roomy, rules=replace(RULES, kv_blocks=4))
    results = served([roomy, tight], stream_of(roomy))

    assert results.requests.instance.tolist() == [0, 1, 0, 1]
    assert results.requests.finish_ns.tolist() == [900, 900, 900, 1300]
    assert results.requests.preemptions.tolist() == [0, 0, 0, 1]
    own = [results.iterations.kv_blocks_used[results.iterations.instance == i] for i in (0, 1)]
    assert [used.max() for used in own] == [6, 4]


def test_a_request_is_too_long_for_the_smallest_cache() -> None:
    roomy = Case(RULES, ((0, 40, 9, None),))
    tight = replace(roomy, rules=replace(RULES, kv_blocks=4))
    results, problems = serve(
        experiment_of(roomy), stream_of(roomy), [engine_of(roomy), engine_of(tight)], backend="fake"
    )

    assert results is None
    assert [problem.code for problem in problems] == ["M518"]


@pytest.mark.parametrize("host_blocks", [0, None])
def test_engines_of_unlike_plans_do_not_disturb_each_other(host_blocks: int | None) -> None:
    """One in lockstep on three ranks beside one with two stages, an asynchronous host, other blocks and a smaller budget."""
    rng = np.random.default_rng(11)
    arrivals = np.sort(rng.integers(0, 20_000, 40))
    requests = tuple((int(at), int(rng.integers(1, 40)), int(rng.integers(1, 50)), None) for at in arrivals)
    first = Case(replace(RULES, dp=3, kv_blocks=30, host_blocks=host_blocks), requests)
    other = replace(RULES, pp=2, block=8, kv_blocks=13, max_batched_tokens=20, asynchronous=True, step_ns=13)
    second = replace(first, rules=replace(other, host_blocks=host_blocks))
    stream = stream_of(first)
    together = served([first, second], stream).requests
    assert together.preemptions.any()
    for instance, case in enumerate((first, second)):
        own = together.instance == instance
        names = tuple(np.array(stream.request_id)[own].tolist())
        part = RequestStream(names, stream.arrival_ns[own], stream.input_tokens[own], stream.output_tokens[own])
        alone = served([case], part).requests
        assert alone.finish_ns.tolist() == together.finish_ns[own].tolist()
        assert alone.first_token_ns.tolist() == together.first_token_ns[own].tolist()
        assert alone.dp_rank.tolist() == together.dp_rank[own].tolist()
