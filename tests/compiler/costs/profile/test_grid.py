"""Grids with gaps, as the published ones have, are filled from measured cells on both sides where there are any."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from moec.compiler.costs.profile.grid import Grid, Point

CHUNKS, SPARSE = (16, 64, 256), (32, 128)
SHORT, LONG = (16, 64, 256, 1024), (512, 768)


def law(chunk: float, cached: float, decodes: float, context: float) -> float:
    """Linear along every axis, so that a right filling is exact."""
    return 5 + chunk * (1 + cached / 64) + decodes * context / 16 + chunk * decodes


def grid(points: Iterable[tuple[int, int, int, int]]) -> Grid:
    return Grid.of(np.array([[*p, law(*p)] for p in points], dtype=float))


def interleaved() -> list[tuple[int, int, int, int]]:
    """A coarse grid with all contexts, and chunks in between with long contexts alone."""
    found = [(c, x, 0, 0) for c in (*CHUNKS, *SPARSE) for x in (0, 64)]
    found += [(0, 0, n, k) for n in (1, 4, 16) for k in (*SHORT, *LONG)]
    found += [(c, x, n, k) for c in CHUNKS for x in (0, 64) for n in (1, 4) for k in SHORT]
    found += [(c, x, n, k) for c in SPARSE for x in (0, 64) for n in (1, 4) for k in LONG]
    return found


def at(g: Grid, *point: float) -> float:
    return float(g.at(Point(*(np.array([x], dtype=float) for x in point)))[0])


def outside(g: Grid, *point: float) -> bool:
    return bool(g.outside(Point(*(np.array([x], dtype=float) for x in point)))[0])


@pytest.mark.parametrize("chunk", [20, 32, 100, 128, 200])
@pytest.mark.parametrize("context", [20, 64, 300, 600, 900, 1024])
def test_chunks_measured_with_long_contexts_alone_take_the_short_ones_from_their_neighbours(
    chunk: int, context: int
) -> None:
    g = grid(interleaved())
    assert at(g, chunk, 0, 2, context) == pytest.approx(law(chunk, 0, 2, context))
    assert not outside(g, chunk, 0, 2, context)


def test_decode_tokens_beyond_those_measured_beside_a_prompt_go_on_and_are_outside() -> None:
    g = grid(interleaved())
    assert at(g, 64, 64, 16, 256) == pytest.approx(law(64, 64, 16, 256))
    assert outside(g, 64, 64, 16, 256)
    assert not outside(g, 0, 0, 16, 256)
    assert g.most_decodes() == 4


def test_no_prompt_and_no_decode_token_is_nothing() -> None:
    assert at(grid(interleaved()), 0, 0, 0, 0) == 0


def test_many_batches_at_once_are_each_as_if_alone() -> None:
    g, rng = grid(interleaved()), np.random.default_rng(5)
    points = np.stack([rng.integers(0, top, 200) for top in (300, 80, 20, 1200)]).astype(float)
    points[0, ::3] = 0
    points[2, ::5] = 0
    together = g.at(Point(*points))
    assert together.tolist() == [at(g, *p) for p in points.T]


def test_a_block_of_batches_keeps_its_shape() -> None:
    g = grid(interleaved())
    shape = (4, 1, 2)
    point = Point(np.full(shape, 64.0), np.zeros(shape), np.full(shape, 3.0), np.full(shape, 100.0))
    assert g.at(point).shape == g.measured(point).shape == g.outside(point).shape == shape
