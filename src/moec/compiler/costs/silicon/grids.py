"""Measured times on one or two axes, looked up between the points and beyond them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.arrays import Array
from moec.compiler.ir.estimate import EXTRAPOLATED, INTERPOLATED, MEASURED


def never_less(times: Array) -> Array:
    """Times along a rising amount of work without upward outliers: what a larger problem takes, a smaller one, which could be
    padded to it, does not exceed. `[…, points]`.
    """
    cleaned: Array = np.minimum.accumulate(times[..., ::-1], axis=-1)[..., ::-1]
    return cleaned


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """`values` at rising `points`, straight in between, level outside."""

    points: Array
    values: Array

    def at(self, x: Array) -> Array:
        """The value at `x`."""
        return np.interp(x, self.points, self.values)

    def level(self, x: Array) -> Array:
        """How well the value at `x` is founded (`costs.base.LEVELS`)."""
        place = np.searchsorted(self.points, x).clip(max=len(self.points) - 1)
        inside = (x >= self.points[0]) & (x <= self.points[-1])
        return np.where(inside, np.where(self.points[place] == x, MEASURED, INTERPOLATED), EXTRAPOLATED)


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """`values` `[x, y]` at rising `x` and `y`; bilinear in between, that of the nearest border outside.

    `known` is false at points of the grid that were not measured (too large for the device): they continue the
    column before, one more step along y costing as much more as there, times the step in x.
    """

    x: Array
    y: Array
    values: Array
    known: Array

    @classmethod
    def of(cls, keys: Array, times: Array) -> Plane:
        """From rows `[rows, 2]` and their times, every row once."""
        x, y = (np.unique(keys[:, i]).astype(float) for i in (0, 1))
        values = np.full((len(x), len(y)), np.nan)
        values[np.searchsorted(x, keys[:, 0]), np.searchsorted(y, keys[:, 1])] = times
        known = np.isfinite(values)
        return cls(x, y, _filled(x, y, values), known)

    def at(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The values at points, which broadcast, and how well they are founded."""
        i, u = _place(self.x, x)
        j, v = _place(self.y, y)
        below = self.values[i, j] * (1 - v) + self.values[i, j + 1] * v
        above = self.values[i + 1, j] * (1 - v) + self.values[i + 1, j + 1] * v
        far = self.known[i + (u > 0), j + (v > 0)]
        inside = (x >= self.x[0]) & (x <= self.x[-1]) & (y >= self.y[0]) & (y <= self.y[-1]) & far
        on = ((u == 0) | (u == 1)) & ((v == 0) | (v == 1))
        return below * (1 - u) + above * u, np.where(inside, np.where(on, MEASURED, INTERPOLATED), EXTRAPOLATED)

    def within(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The nearest point inside the borders."""
        return np.clip(x, self.x[0], self.x[-1]), np.clip(y, self.y[0], self.y[-1])


def _place(axis: Array, at: Array) -> tuple[Array, Array]:
    """The interval of `axis` that holds a point (the nearest one), and how far along it the point lies, 0 to 1."""
    if len(axis) == 1:
        return np.zeros(np.shape(at), dtype=int), np.zeros(np.shape(at))
    i = (np.searchsorted(axis, at, side="right") - 1).clip(0, len(axis) - 2)
    return i, ((at - axis[i]) / (axis[i + 1] - axis[i])).clip(0.0, 1.0)


def _filled(x: Array, y: Array, values: Array) -> Array:
    """Without gaps. A grid of one row or column is doubled so that `_place` finds an interval."""
    out = values.copy()
    for i in range(len(x)):
        row = out[i]
        have = np.isfinite(row)
        if have.any():
            first, last = have.argmax(), len(row) - 1 - have[::-1].argmax()
            row[:first] = row[first]
            inner = ~have & (np.arange(len(row)) > first) & (np.arange(len(row)) < last)
            row[inner] = np.interp(y[inner], y[have], row[have])
            for j in range(last + 1, len(row)):
                step = (
                    (out[i - 1, j] - out[i - 1, j - 1]) * (x[i] / x[i - 1]) if i else row[j - 1] * (y[j] / y[j - 1] - 1)
                )
                row[j] = row[j - 1] + max(step, 0.0)
        else:
            row[:] = out[i - 1] * (x[i] / x[i - 1])
    if len(x) == 1:
        out = np.repeat(out, 2, axis=0)
    return np.repeat(out, 2, axis=1) if len(y) == 1 else out
