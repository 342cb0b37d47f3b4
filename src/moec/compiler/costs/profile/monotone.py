"""Curves through points that bend where the points do and never overshoot them: monotone piecewise cubics."""

from __future__ import annotations

import numpy as np

from moec.arrays import Array


def between(points: Array, times: Array, at: Array) -> Array:
    """`times` `[…, points]` at the values `at`, within the points: F. N. Fritsch and J. Butland, SIAM J. Sci. Stat. Comput.
    5 (1984) 300, with the end slopes of C. Moler, Numerical Computing with MATLAB, section 3.6.
    """
    slopes = _slopes(points, times)
    low = np.clip(np.searchsorted(points, at, side="right") - 1, 0, len(points) - 2)
    width = points[low + 1] - points[low]
    s = (at - points[low]) / width
    start, stop = times[..., low], times[..., low + 1]
    found: Array = (
        start * (1 + 2 * s) * (1 - s) ** 2
        + stop * s**2 * (3 - 2 * s)
        + width * (slopes[..., low] * s * (1 - s) ** 2 - slopes[..., low + 1] * s**2 * (1 - s))
    )
    return found


def _slopes(points: Array, times: Array) -> Array:
    """At every point: the weighted harmonic mean of the chords on either side, 0 where they turn."""
    width = np.diff(points)
    chords = np.diff(times, axis=-1) / width
    if len(points) == 2:
        return np.repeat(chords, 2, axis=-1)
    left, right = chords[..., :-1], chords[..., 1:]
    turns = left * right <= 0
    a, b = 2 * width[1:] + width[:-1], width[1:] + 2 * width[:-1]
    inner = np.where(turns, 0.0, (a + b) / (a / np.where(turns, 1, left) + b / np.where(turns, 1, right)))
    first = _end(width[0], width[1], chords[..., 0], chords[..., 1])
    last = _end(width[-1], width[-2], chords[..., -1], chords[..., -2])
    return np.concatenate((first[..., None], inner, last[..., None]), axis=-1)


def _end(near: float, far: float, chord: Array, next_chord: Array) -> Array:
    """The slope at an end: of the parabola through three points, as far as it does not overshoot."""
    slope = ((2 * near + far) * chord - near * next_chord) / (near + far)
    limited = np.where((chord * next_chord <= 0) & (np.abs(slope) > 3 * np.abs(chord)), 3 * chord, slope)
    return np.where(slope * chord <= 0, 0.0, limited)
