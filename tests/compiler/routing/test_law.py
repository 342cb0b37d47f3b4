"""A routing law conserves tokens, repeats itself by seed, and means what it says in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moec.compiler.routing.law import RoutingLaw, routing_law
from moec.dsl.schema import Dirichlet, Eplb, Experiment, PowerLaw, RoundRobin, Uniform, Zipf
from support.mixtures import mixture

SHAPES = {
    "mixtral": mixture(8, 2, 8, layers=3, popularity=Zipf(1.0)),
    "qwen": mixture(128, 8, 2, layers=3, popularity=PowerLaw(1.2), per_layer="shuffled", placement=RoundRobin()),
    "groups": mixture(
        64, 4, 16, layers=4, popularity=Zipf(0.9), per_layer="shuffled", first_dense=1, groups=8, group_limit=3,
        redundant=16, placement=Eplb(),
    ),
    "alone": mixture(16, 4, 1, layers=2, popularity=Dirichlet(0.5)),
}  # fmt: skip


def law_of(experiment: Experiment) -> RoutingLaw:
    law, found = routing_law(experiment)
    assert law is not None, found
    assert not found
    return law


LAWS = {name: law_of(experiment) for name, experiment in SHAPES.items()}


@settings(max_examples=40)
@given(st.sampled_from(sorted(LAWS)), st.integers(0, 400), st.integers(0, 1000))
def test_tokens_and_pairs_are_conserved(name: str, most: int, iteration: int) -> None:
    law = LAWS[name]
    tokens = np.random.default_rng(iteration).integers(0, most + 1, law.sources)
    drawn, top_k = law.drawn(tokens, iteration), law.gate.top_k
    layers, total = len(law.moe_layers), int(tokens.sum())
    assert drawn.counts.sum(axis=1).tolist() == [total * top_k] * layers
    assert np.array_equal(drawn.visits.sum(axis=1), drawn.rows)
    assert np.array_equal(drawn.visits.sum(axis=2), np.broadcast_to(tokens * top_k, (layers, law.sources)))
    assert np.all(drawn.hits <= drawn.visits)
    assert np.all(drawn.hits <= tokens[:, None])
    assert np.all(drawn.hits.sum(axis=2) >= tokens)
    assert np.all(drawn.active <= np.minimum(drawn.rows, law.placement.per_cell))
    assert np.all((drawn.active > 0) == (drawn.rows > 0))
    assert all(field.dtype == np.int64 for field in (drawn.counts, drawn.rows, drawn.active, drawn.hits, drawn.visits))


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_same_seed_same_arrays_other_iteration_other_draw(name: str) -> None:
    law, again = LAWS[name], law_of(SHAPES[name])
    tokens = np.full(law.sources, 50)
    one, same, other = law.drawn(tokens, 3), again.drawn(tokens, 3), law.drawn(tokens, 4)
    assert np.array_equal(one.hits, same.hits)
    assert np.array_equal(one.counts, same.counts)
    assert not np.array_equal(one.counts, other.counts)
    at = np.array([1, 7, 1000])
    assert np.array_equal(law.expected(at).rows_max, again.expected(at).rows_max)


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_popularity_is_how_often_experts_are_drawn(name: str) -> None:
    law = LAWS[name]
    tokens = 12_000
    drawn = law.drawn(np.full(law.sources, tokens // law.sources))
    tokens = tokens // law.sources * law.sources
    assert law.popularity.sum(axis=1) == pytest.approx(np.full(len(law.moe_layers), law.gate.top_k), rel=1e-5)
    noise = np.sqrt(law.popularity / tokens)
    # Group-limited popularity is a fit: two per cent of it and a little are allowed on top of the noise.
    slack = 0.06 * law.popularity + 2e-3 if law.gate.limited else 0.0
    assert np.all(np.abs(drawn.counts / tokens - law.popularity) < 5 * noise + slack)


@pytest.mark.parametrize(("experts", "top_k", "ep"), [(8, 2, 8), (128, 8, 2), (64, 6, 1)])
def test_uniform_activates_as_many_experts_as_the_closed_form_says(experts: int, top_k: int, ep: int) -> None:
    law = law_of(mixture(experts, top_k, ep, layers=2))
    tokens = np.array([1, 2, 3, 10, 100, 5000])
    closed = experts * (1 - (1 - top_k / experts) ** tokens)
    assert law.expected(tokens).active * ep == pytest.approx(closed, rel=2e-4)


def test_a_single_cell_gets_everything() -> None:
    expected = LAWS["alone"].expected(np.array([[1, 8], [64, 100_000]]))
    assert expected.rows.tolist() == [[4, 32], [256, 400_000]]
    assert np.array_equal(expected.rows, expected.rows_max)
    assert np.array_equal(expected.active, expected.active_max)
    assert expected.hits.tolist() == expected.hits_straggle.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_expected_is_orderly(name: str) -> None:
    law = LAWS[name]
    tokens = np.concatenate([[0, 0.5], np.geomspace(1, 2**25, 300)])
    e = law.expected(tokens)
    cells, top_k = law.placement.cells, law.gate.top_k
    assert e.rows == pytest.approx(tokens * top_k / cells)
    assert np.all(e.rows_max >= e.rows * (1 - 1e-12))
    assert np.all(e.rows_max <= tokens * top_k * (1 + 1e-9))
    assert np.all(np.diff(e.rows_max) >= 0)
    assert np.all(np.diff(e.active) >= 0)
    assert np.all(e.active_max <= law.placement.per_cell * (1 + 1e-9))
    assert np.all(e.hits * e.hits_straggle <= 1 + 1e-9)
    assert np.all(e.visits_straggle * e.visits * tokens == pytest.approx(e.rows_max))


def test_same_ranks_experts_by_id_and_shuffled_does_not() -> None:
    same = law_of(mixture(16, 2, 1, layers=3, popularity=PowerLaw(1.0)))
    assert np.all(np.diff(same.popularity, axis=1) <= 0)
    assert np.all(same.popularity == same.popularity[0])
    shuffled = law_of(mixture(16, 2, 1, layers=3, popularity=PowerLaw(1.0), per_layer="shuffled"))
    assert np.allclose(np.sort(shuffled.popularity, axis=1), np.sort(same.popularity, axis=1), rtol=1e-12)
    assert not np.array_equal(shuffled.popularity[0], shuffled.popularity[1])


def test_layers_are_those_of_the_model() -> None:
    law = law_of(mixture(8, 2, 1, layers=8, first_dense=3, every=2))
    assert law.moe_layers == (3, 5, 7)
    assert law.drawn(np.array([5])).rows.shape == (3, 1)


def test_the_routing_seed_comes_before_the_experiments() -> None:
    popular = [law_of(mixture(8, 2, popularity=Dirichlet(0.5), seed=seed)).popularity for seed in (0, 0, 1)]
    assert np.array_equal(popular[0], popular[1])
    assert not np.array_equal(popular[0], popular[2])


def test_extreme_skew_is_still_a_law() -> None:
    for popularity in (Zipf(8.0), Dirichlet(0.001), PowerLaw(0.01), Uniform()):
        for groups, limit in ((1, None), (4, 2)):
            law = law_of(
                mixture(32, 4, 4, layers=2, popularity=popularity, groups=groups, group_limit=limit, placement=Eplb())
            )
            e = law.expected(np.array([1, 10, 10_000]))
            assert np.all(np.isfinite(e.rows_max))
            assert law.drawn(np.full(4, 100)).counts.sum() == 2 * 400 * 4


def test_wrong_tokens_are_a_bug() -> None:
    with pytest.raises(ValueError, match="8 sources"):
        LAWS["mixtral"].drawn(np.array([1, 2]))
