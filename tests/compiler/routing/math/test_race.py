"""Tokens draw distinct experts, by successive sampling, inside the groups they are limited to."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moec.compiler.routing.math.group_choice import group_inclusion
from moec.compiler.routing.math.inclusion import inclusion, set_inclusion
from moec.compiler.routing.math.race import Gate, clocks, draw, group_scores, race

GATES = st.sampled_from([Gate(8, 2, 1, 1), Gate(16, 6, 4, 2), Gate(128, 8, 1, 1), Gate(64, 8, 8, 4), Gate(6, 6, 1, 1)])


@given(GATES, st.integers(0, 300), st.floats(0, 4), st.integers(0, 99))
def test_experts_of_a_token_are_distinct_and_in_few_groups(gate: Gate, tokens: int, exponent: float, seed: int) -> None:
    weights = np.arange(1, gate.experts + 1) ** -exponent
    chosen = np.sort(draw(gate, weights, tokens, np.random.default_rng(seed)), axis=1)
    assert chosen.shape == (tokens, gate.top_k)
    assert np.all(np.diff(chosen, axis=1) > 0)
    assert not tokens or (chosen.min() >= 0 and chosen.max() < gate.experts)
    groups = chosen // (gate.experts // gate.groups)
    assert all(len(set(row)) <= gate.limit for row in groups.tolist())


def exact(weights: list[float], top_k: int) -> np.ndarray:
    """Inclusion probabilities by going through every ordered choice."""
    result = np.zeros(len(weights))
    for order in permutations(range(len(weights)), top_k):
        chance, left = 1.0, sum(weights)
        for e in order:
            chance *= weights[e] / left
            left -= weights[e]
        result[list(order)] += chance
    return result


@pytest.mark.parametrize(
    ("weights", "top_k"),
    [([1, 1, 1, 1], 2), ([8, 4, 2, 1, 0.5], 3), ([100, 1, 1e-3, 1e-6], 2), ([3, 1, 0, 2, 0, 1], 3), ([5, 0, 1], 2)],
)
def test_inclusion_is_that_of_successive_sampling(weights: list[float], top_k: int) -> None:
    law = inclusion(np.array([weights, weights[::-1]], dtype=float), top_k)
    if np.count_nonzero(weights) > top_k:
        assert law[0] == pytest.approx(exact(weights, top_k), rel=1e-6, abs=1e-12)
    else:
        assert law[0].tolist() == [float(w > 0) for w in weights]
    assert law[1] == pytest.approx(law[0][::-1])


def test_inclusion_sums_to_top_k() -> None:
    weights = np.random.default_rng(0).dirichlet(np.full(256, 0.3), size=3)
    assert inclusion(weights, 8).sum(axis=1) == pytest.approx([8, 8, 8], rel=1e-6)


def test_chance_to_choose_from_a_set() -> None:
    weights = np.array([[8, 4, 2, 1, 0.5, 0.25]])
    both = set_inclusion(weights, 2, 3)[0]
    missed = [0.0, 0.0, 0.0]
    for a, b in permutations(range(6), 2):
        chance = weights[0, a] / 15.75 * weights[0, b] / (15.75 - weights[0, a])
        for c in {0, 1, 2} - {a // 2, b // 2}:
            missed[c] += chance
    assert both == pytest.approx([1 - m for m in missed], rel=1e-6)


@pytest.mark.parametrize("exponent", [0.0, 0.8, 1.5])
@pytest.mark.parametrize("gate", [Gate(128, 8, 1, 1), Gate(16, 4, 1, 1)])
def test_both_ways_of_drawing_have_the_same_law(gate: Gate, exponent: float) -> None:
    weights, tokens = np.arange(1, gate.experts + 1) ** -exponent, 20_000
    law = inclusion(weights[None], gate.top_k)[0]
    rng = np.random.default_rng(1)
    for chosen in (draw(gate, weights, tokens, rng), race(gate, clocks(weights, (tokens,), rng))):
        seen = np.bincount(chosen.ravel(), minlength=gate.experts) / tokens
        assert np.all(np.abs(seen - law) < 5 * np.sqrt(law * (1 - law) / tokens) + 1e-9)


def test_a_weight_of_zero_is_never_chosen() -> None:
    weights = np.array([1.0, 0, 2, 0, 3, 0, 4, 0])
    for gate in (Gate(8, 4, 1, 1), Gate(8, 2, 2, 1)):
        assert not np.any(draw(gate, weights, 500, np.random.default_rng(2)) % 2)


def test_best_groups_have_the_smallest_products_of_two_clocks() -> None:
    ticks = np.array([[5, 0.2, 9, 1, 1, 1, 0.1, 7, 9, 3, 3, 3]], dtype=np.float32)
    assert group_scores(ticks.reshape(1, 4, 3))[0] == pytest.approx([1, 1, 0.7, 9])
    winners = race(Gate(12, 2, 4, 1), ticks)[0]
    assert sorted(winners.tolist()) == [6, 7]


def test_group_chances() -> None:
    gate, tokens = Gate(64, 4, 8, 3), 40_000
    weights = np.arange(1, 65) ** -1.1
    ticks = clocks(weights, (tokens,), np.random.default_rng(3))
    best = np.argsort(group_scores(ticks.reshape(tokens, 8, 8)), axis=1)[:, :3]
    seen = np.bincount(best.ravel(), minlength=8) / tokens
    assert group_inclusion(gate, weights[None])[0] == pytest.approx(seen, rel=0.02, abs=0.004)
    assert group_inclusion(gate, np.ones((2, 64))) == pytest.approx(np.full((2, 8), 3 / 8))
