"""One axis of a measured grid: which two points a value lies between, or beyond."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from moec.arrays import Array


class Place(NamedTuple):
    """Values on an axis: the time is `(1 − share) · t[low] + share · t[high]`. `share` is over 1 beyond the last point."""

    low: Array
    high: Array
    share: Array


def place_on(points: Array, values: Array) -> Place:
    """Where `values` lie among the ascending `points`.

    Below the first point, its time holds. Beyond the last one the time goes on as the chord to the point at half of it
    does: neighbours on a fine grid differ by noise more than by slope.
    """
    last = len(points) - 1
    high = np.searchsorted(points, values)
    if not last:
        none = np.zeros_like(high)
        return Place(none, none, np.zeros(np.shape(values)))
    high = np.minimum(np.maximum(high, 1), last)
    low = high - 1
    top = points[last]
    if np.max(values, initial=0.0) > top:
        low = np.where(values > top, half_of(points), low)
    start = points[low]
    share = (np.maximum(values, points[0]) - start) / (points[high] - start)
    return Place(low, high, share)


def half_of(points: Array) -> int:
    """The last point at most half of the largest, or the first."""
    return max(0, int(np.searchsorted(points, points[-1] / 2, side="right")) - 1)


def on_point(points: Array, values: Array) -> Array:
    """Whether each value is one of the points."""
    index = np.minimum(np.searchsorted(points, values), len(points) - 1)
    hit: Array = points[index] == values
    return hit


def fill_lines(points: Array, lines: Array) -> tuple[Array, Array]:
    """Lines `[n, points]` with the same gaps (NaN), filled: linear between known points, the first one's time before it,
    the chord beyond. Returns them and which of their cells lie beyond the known points.
    """
    known = np.isfinite(lines[0])
    at, times = points[known], lines[:, known]
    place = place_on(at, points)
    filled = times[:, place.low] * (1 - place.share) + times[:, place.high] * place.share
    return np.where(known, lines, filled), points > at[-1]
