"""Expected maxima of cells: exact for independent slots, and close by the normal model."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from moec.compiler.routing.math.maxima import Spread, expected_maxima, slot_maxima


def test_slot_maxima_by_enumeration() -> None:
    active = np.random.default_rng(0).random((3, 2, 2, 3))
    wanted = np.zeros(3)
    for outcome in product((0, 1), repeat=6):
        on = np.array(outcome).reshape(2, 3)
        chance = np.where(on == 1, active, 1 - active).prod(axis=(2, 3))
        wanted += chance.mean(axis=1) * on.sum(axis=1).max()
    assert slot_maxima(active) == pytest.approx(wanted)


def test_two_cells_with_a_fixed_sum() -> None:
    # x and 100 - x with x ~ N(50, 5²): the larger one is 50 + 5·sqrt(2/pi) on average.
    one = Spread(np.full((1, 1, 2), 50.0), np.full((1, 1, 2), 50.0), np.zeros((1, 2)), np.ones(1))
    assert expected_maxima(one, 1.0, 0)[0] == pytest.approx(50 + 5 * np.sqrt(2 / np.pi), abs=0.1)


def test_a_ceiling_is_kept() -> None:
    capped = Spread(np.full((2, 3, 4), 8.9), np.ones((2, 3, 4)), np.zeros((3, 4)), np.zeros(2), 9.0)
    assert np.all(expected_maxima(capped, 1.0, 0) <= 9.0)
