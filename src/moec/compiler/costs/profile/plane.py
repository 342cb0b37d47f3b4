"""Measured times of the experts' block over tokens and activated experts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.profile.axis import fill_lines, on_point, place_on
from moec.compiler.ir.estimate import EXTRAPOLATED, INTERPOLATED, MEASURED, Beyond, Evidence


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """Times in nanoseconds, `[tokens, active]`; linear along both axes.

    With fewer experts than measured the time falls by the chord to the most experts, but not below its share of the
    fewest: each expert touched is read from memory.
    """

    tokens: Array
    active: Array
    times: Array
    beyond: Array
    known: Array

    @classmethod
    def of(cls, tokens: Array, active: Array, times: Array) -> Plane:
        """From rows. A token count without a row for so many experts takes the next larger count's: it cannot touch them."""
        rows, columns = np.unique(tokens), np.unique(active)
        grid = np.full((len(rows), len(columns)), np.nan)
        grid[np.searchsorted(rows, tokens), np.searchsorted(columns, active)] = times
        known = np.isfinite(grid)
        beyond = np.zeros(grid.shape, bool)
        for j in range(len(columns)):
            filled, beyond[:, j] = fill_lines(rows, grid[None, :, j])
            grid[:, j] = filled[0]
        return cls(rows, columns, grid, beyond, known)

    def at(self, tokens: Array, active: Array) -> Array:
        """The times, in the broadcast shape."""
        tokens, active = np.broadcast_arrays(tokens, active)
        row, column = place_on(self.tokens, tokens), place_on(self.active, active)
        low, high = (
            self.times[i, column.low] * (1 - column.share) + self.times[i, column.high] * column.share
            for i in (row.low, row.high)
        )
        times = low * (1 - row.share) + high * row.share
        few = active < self.active[0]
        return self._fewer(times, row.high, active) if few.any() else np.maximum(times, self.times.min() * 0.1)

    def _fewer(self, times: Array, row: Array, active: Array) -> Array:
        """`times` with those of fewer experts than measured brought down."""
        least, most = self.active[0], self.active[-1]
        slope = (self.times[row, -1] - self.times[row, 0]) / max(most - least, 1)
        missing = np.maximum(least - active, 0)
        return np.where(missing > 0, np.maximum(times - slope * missing, times * active / least), times)

    def evidence(self, tokens: Array, active: Array) -> Evidence:
        """How each of these times is founded."""
        tokens, active = np.broadcast_arrays(tokens, active)
        row = np.clip(np.searchsorted(self.tokens, tokens), 0, len(self.tokens) - 1)
        column = np.clip(np.searchsorted(self.active, active), 0, len(self.active) - 1)
        point = on_point(self.tokens, tokens) & on_point(self.active, active) & self.known[row, column]
        outside = (tokens > self.tokens[-1]) | (active > self.active[-1]) | (active < self.active[0])
        outside |= self.beyond[row, column]
        level = np.where(outside, EXTRAPOLATED, np.where(point, MEASURED, INTERPOLATED))
        bounds = (
            Beyond("tokens", float(self.tokens[-1]), tokens),
            Beyond("activated experts", float(self.active[-1]), active),
            Beyond("activated experts", float(self.active[0]), active, below=True),
        )
        return Evidence(level, bounds)
