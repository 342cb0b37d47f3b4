"""Monotone cubics go through their points, follow lines, and never overshoot."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from moec.compiler.costs.profile.monotone import between

POINTS = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
times = st.lists(st.integers(0, 10**10), min_size=6, max_size=6).map(lambda x: np.array(x) / 1e6)
"""Up to ten thousand, in millionths: the reciprocal of a slope that no clock can tell from 0 overflows."""


@given(times)
def test_it_is_what_scipy_calls_pchip(y: np.ndarray) -> None:
    at = np.linspace(1, 32, 125)
    np.testing.assert_allclose(
        between(POINTS, y, at), PchipInterpolator(POINTS, y)(at), rtol=1e-9, atol=1e-9 * max(1, y.max())
    )


@given(times)
def test_it_stays_between_its_points(y: np.ndarray) -> None:
    at = np.linspace(1, 32, 125)
    low = np.clip(np.searchsorted(POINTS, at, side="right") - 1, 0, 4)
    found, slack = between(POINTS, y, at), 1e-9 * max(1, y.max())
    assert (found >= np.minimum(y[low], y[low + 1]) - slack).all()
    assert (found <= np.maximum(y[low], y[low + 1]) + slack).all()


def test_lines_are_kept_and_many_are_done_at_once() -> None:
    lines = np.stack([3 + 2 * POINTS, 5 - POINTS / 8])
    at = np.array([1.0, 3.0, 20.0, 32.0])
    np.testing.assert_allclose(between(POINTS, lines, at), [3 + 2 * at, 5 - at / 8])


def test_two_points_are_a_line() -> None:
    assert between(np.array([1.0, 3.0]), np.array([4.0, 8.0]), np.array([2.0])) == 6


def test_a_bend_is_followed_below_its_chord() -> None:
    bend = np.maximum(10.0, POINTS)
    assert between(POINTS, bend, np.array([12.0]))[0] < 13
