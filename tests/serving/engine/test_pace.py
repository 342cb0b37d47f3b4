"""Decoding requests as sums, beside a walk over them: with one token a step, and with several."""

from __future__ import annotations

import numpy as np
import pytest

from moec.serving.engine.decodes import NOT_DECODING, Decodes
from moec.serving.engine.kv_cache import CountedBlocks
from moec.serving.engine.pace import pace_of

PACES = [(1, 1), (16, 1), (16, 2), (16, 3), (4, 6), (5, 5), (8, 24)]
"""Tokens of a block, tokens gained a step."""


def decodes_of(block: int, gain: int, requests: int, *, free: int = 1000, window: int = 1 << 62) -> Decodes:
    pace = pace_of(block, gain)
    blocks, needs = CountedBlocks(free, block), [0] * pace.turn
    return Decodes(pace=pace, window=window, blocks=blocks, key=[NOT_DECODING] * requests, needs=needs)


@pytest.mark.parametrize(("block", "gain"), PACES)
def test_blocks_are_those_of_a_walk(block: int, gain: int) -> None:
    """In step 7 requests of 1 to 40 tokens begin; every step takes what their tokens need beyond the blocks they have."""
    known = list(range(1, 41))
    decodes = decodes_of(block, gain, len(known))
    for request, tokens in enumerate(known):
        decodes.join(request, 7, tokens)
    decodes.stamp = 7
    for step in range(7, 60):
        held = sum(-(-(tokens + gain * (step - 7 - 1)) // block) for tokens in known)
        wanted = sum(-(-(tokens + gain * (step - 7)) // block) for tokens in known)
        assert len(decodes.needing(step)) == decodes.needs[step % len(decodes.needs)] == wanted - held
        free = decodes.blocks.free
        decodes.settle(step + 1)
        assert free - decodes.blocks.free == wanted - held


@pytest.mark.parametrize(("block", "gain"), PACES)
def test_blocks_run_short_in_the_step_in_which_a_walk_runs_short(block: int, gain: int) -> None:
    rng = np.random.default_rng(block + gain)
    for _ in range(30):
        known, free = rng.integers(1, 50, int(rng.integers(1, 7))).tolist(), int(rng.integers(0, 60))
        decodes = decodes_of(block, gain, len(known), free=free)
        for request, tokens in enumerate(known):
            decodes.join(request, 0, tokens)
        step, left = 0, free
        while (
            need := sum(-(-(k + gain * step) // block) + (-(k + gain * (step - 1)) // block) for k in known)
        ) <= left:
            left -= need
            step += 1
        assert decodes.shortage() == step


def test_whoever_leaves_takes_its_part_of_the_sums_with_it() -> None:
    decodes = decodes_of(4, 2, 2, window=20)
    assert decodes.join(0, 3, 15) == 5
    assert decodes.join(1, 3, 21) < 3
    assert (decodes.tokens(0, 5), decodes.tokens(0, 6)) == (19, 21)
    assert (decodes.below, decodes.below_sum, decodes.top_key()) == (1, 9, 15)
    decodes.leave(1, 4)
    assert (decodes.count, decodes.key_sum, decodes.below, decodes.top_key()) == (1, 9, 1, 9)
    decodes.leave(0, 5)
    assert (decodes.count, decodes.key_sum, decodes.below, decodes.below_sum, sum(decodes.needs)) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(("gain", "steps"), [(1, [1, 2, 3, 4]), (2, [1, 1, 2, 2]), (3, [1, 1, 1, 2])])
def test_the_last_step_may_gain_less(gain: int, steps: list[int]) -> None:
    assert [pace_of(16, gain).steps(tokens) for tokens in range(1, 5)] == steps
