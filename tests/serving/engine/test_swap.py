"""Swapped requests, step by step: two of them in a cache of four blocks of four tokens, an iteration every 100 ns.

Both have 4 prompt tokens and want 9, so that each needs 3 blocks in the end. Iteration 5 needs a block for both and has
none: the newer request leaves with the 8 tokens (2 blocks) that it has, and comes back when the older one is done.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from moec.serving.engine.host_memory import ENDLESS, HostBlocks
from support.cases import DENSE
from support.serving_cases import TOKEN_BYTES, Case, simulated
from support.serving_reference import Rules

RULES = Rules(
    instances=1,
    dp=1,
    pp=1,
    max_sequences=8,
    max_batched_tokens=64,
    chunked=True,
    block=4,
    kv_blocks=4,
    caching=False,
    window=None,
    dummy=False,
    round_robin=False,
    concurrency=None,
    step_ns=0,
    sequence_ns=0.0,
    host_blocks=None,
)
PAIR = Case(RULES, ((0, 4, 9, None), (0, 4, 9, None)), equal_ns=100)
BLOCK = 4 * DENSE.layers * TOKEN_BYTES


def test_a_request_leaves_with_its_blocks_and_comes_back_with_them() -> None:
    results, loads = simulated(PAIR)
    requests, iterations = results.requests, results.iterations

    assert requests.preemptions.tolist() == [0, 1]
    assert requests.finish_ns.tolist() == [900, 1300]
    assert iterations.swapped_out_bytes.tolist() == [0] * 5 + [2 * BLOCK] + [0] * 7
    assert iterations.swapped_in_bytes.tolist() == [0] * 9 + [2 * BLOCK] + [0] * 3
    assert iterations.prefill_tokens.tolist() == [8] + [0] * 12
    assert iterations.decode_tokens.tolist() == [0] + [2] * 4 + [1] * 8
    assert iterations.waiting.tolist() == [0] * 5 + [1] * 4 + [0] * 4
    assert dict(zip(results.gaps.gap_ns.tolist(), results.gaps.count.tolist(), strict=True)) == {100: 15, 500: 1}
    assert (loads[0, 500].swapped_out.tolist(), loads[0, 500].swapped_in.tolist()) == ([8], [0])
    assert (loads[0, 900].swapped_out.tolist(), loads[0, 900].swapped_in.tolist()) == ([0], [8])
    assert (results.preemptions, results.swapped) == (1, 1)


def test_what_does_not_fit_in_host_memory_is_recomputed() -> None:
    results, _ = simulated(replace(PAIR, rules=replace(RULES, host_blocks=1)))

    assert (results.preemptions, results.swapped) == (1, 0)
    assert not results.iterations.swapped_out_bytes.any()
    assert results.iterations.prefill_tokens.tolist() == [8] + [0] * 8 + [9] + [0] * 3


def test_without_swapping_nobody_asks_how_much_was_swapped() -> None:
    results, _ = simulated(replace(PAIR, rules=replace(RULES, host_blocks=0)))

    assert (results.preemptions, results.swapped) == (1, None)


def test_blocks_that_the_cache_still_holds_stay() -> None:
    """The older request took the newer one's second block, the first is still where it was."""
    ids = (tuple(range(4)), tuple(range(10, 14)))
    pair = tuple((0, 4, 9, i) for i in ids)
    results, _ = simulated(Case(replace(RULES, caching=True), pair, equal_ns=100))

    assert int(results.iterations.swapped_out_bytes.sum()) == 2 * BLOCK
    assert int(results.iterations.swapped_in_bytes.sum()) == BLOCK
    assert results.requests.finish_ns.tolist() == [900, 1300]


def test_swapped_requests_come_before_waiting_ones() -> None:
    """A third request would fit in the free block from the preemption on, and still waits until the second is back."""
    third = replace(PAIR, requests=(*PAIR.requests, (550, 1, 1, None)))
    results, _ = simulated(third)

    assert results.requests.scheduled_ns.tolist() == [0, 0, 900]


@pytest.mark.parametrize("pp", [1, 2])
def test_a_saturated_run_brings_back_what_it_sent_away(pp: int) -> None:
    """Without a prefix cache every block that leaves comes back, but for those of requests whose end was under way."""
    crowd = tuple((40 * i, 3 + i % 5, 8 + i % 7, None) for i in range(24))
    rules = replace(RULES, pp=pp, kv_blocks=8, max_sequences=6)
    results, _ = simulated(Case(rules, crowd, equal_ns=100))

    assert results.swapped == results.preemptions > 5
    out, back = (int(x.sum()) for x in (results.iterations.swapped_out_bytes, results.iterations.swapped_in_bytes))
    assert 0 < back <= out
    assert (back == out) or pp > 1


def test_a_window_limits_what_moves_in_its_layers() -> None:
    host = HostBlocks(ENDLESS, block=4, window=3)
    assert host.store(1, 38)
    assert host.take() == (40, 0, 12, 0)
    host.fetch(1, kept=8)
    assert host.take() == (0, 8, 0, 8)
    assert host.free == ENDLESS


def test_the_request_that_left_last_is_the_first_to_return() -> None:
    """The newest leaves first, so that the queue is in the order in which requests came."""
    host = HostBlocks(5, block=4, window=3)
    assert host.store(7, 9)
    assert host.store(3, 8)
    assert not host.store(2, 1)
    assert (list(host.queue), host.swapped, host.free) == ([3, 7], 2, 0)
    assert host.drop(7) == 3
    assert (list(host.queue), host.free) == ([3], 3)
