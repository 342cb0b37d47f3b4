"""Link loads of rings and meshes, against messages that walk link by link."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moec.backends.network.lattice import Lattice, OuterSide, link_loads, message_loads, outer_loads
from moec.backends.network.naming import ends_of

LATTICES = [Lattice(n, wraps=True) for n in (2, 3, 5, 8)] + [Lattice(5, 5), Lattice(8, 3), Lattice(1, 4), Lattice(2, 2)]


@pytest.mark.parametrize("lattice", LATTICES, ids=str)
def test_every_message_walks_its_way_link_by_link(lattice: Lattice) -> None:
    for a in range(lattice.size):
        for b in range(lattice.size):
            way = lattice.way(a, b)
            assert sum(part for _, part in way) == lattice.hops(a, b)
            if all(part == 1 for _, part in way):
                ends = [ends_of(lattice, link) for link, _ in way]
                places = [a, *(end for _, end in ends)]
                assert [start for start, _ in ends] == places[:-1]
                assert places[-1] == b
            alone = np.zeros((lattice.size, lattice.size))
            alone[a, b] = 1
            assert np.allclose(link_loads(lattice, alone), message_loads(lattice, np.array([a]), np.array([b])))


def test_a_mesh_goes_along_the_row_first() -> None:
    mesh = Lattice(3, 3)
    assert [ends_of(mesh, link) for link, _ in mesh.way(0, 8)] == [(0, 1), (1, 2), (2, 5), (5, 8)]
    assert [ends_of(mesh, link) for link, _ in mesh.way(8, 0)] == [(8, 7), (7, 6), (6, 3), (3, 0)]


def test_a_line_has_two_links_a_place_whichever_way_it_is_written() -> None:
    assert Lattice(4, 1).degree == Lattice(1, 4).degree == 2
    assert Lattice(2, 2).degree == Lattice(3, 3).degree == 4


@given(st.sampled_from(LATTICES), st.integers(0, 2**32 - 1))
def test_vectors_and_matrices_load_the_links_alike(lattice: Lattice, seed: int) -> None:
    a, b = np.random.default_rng(seed).random((2, 2, lattice.size))
    matrix = a[:, :, None] * b[:, None, :]
    assert np.allclose(outer_loads(lattice, OuterSide(a), OuterSide(b)), link_loads(lattice, matrix))


@given(st.sampled_from(LATTICES), st.integers(0, 2**32 - 1), st.booleans())
def test_one_hot_place_stands_at_the_worst_for_each_link(lattice: Lattice, seed: int, source: bool) -> None:
    a, b, extra = np.random.default_rng(seed).random((3, lattice.size))
    worst = np.zeros(lattice.links)
    for hot in range(lattice.size):
        heavy = b + extra * (np.arange(lattice.size) == hot)
        worst = np.maximum(worst, link_loads(lattice, heavy[:, None] * a if source else a[:, None] * heavy))
    sides = (OuterSide(b, extra), OuterSide(a)) if source else (OuterSide(a), OuterSide(b, extra))
    found = outer_loads(lattice, *sides)
    best = np.maximum(found.reshape(2, -1).max(), 0) if lattice.wraps else found
    assert np.allclose(found.max(), worst.max())
    assert np.all(best >= worst - 1e-9)


def test_uniform_traffic_loads_a_ring_evenly_and_a_mesh_in_the_middle() -> None:
    ring = link_loads(Lattice(8, wraps=True), np.ones((8, 8)))
    assert np.allclose(ring, 8)  # distances 1, 2, 3 and half of the 4 opposite: 1 + 2 + 3 + 2
    mesh = link_loads(Lattice(4, 1), np.ones((4, 4)))
    assert mesh.tolist() == [3, 4, 3, 3, 4, 3]
