"""Measured times over one count: tokens or sequences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.profile.axis import on_point, place_on
from moec.compiler.ir.estimate import EXTRAPOLATED, INTERPOLATED, MEASURED, Beyond, Evidence


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Times in nanoseconds at ascending `points` of `axis`; linear between them."""

    axis: str
    points: Array
    times: Array

    def at(self, counts: Array) -> Array:
        """The times at `counts`, any shape."""
        place = place_on(self.points, counts)
        times: Array = self.times[place.low] * (1 - place.share) + self.times[place.high] * place.share
        least: Array = np.maximum(times, self.times[0] * 0.5)
        return least

    def evidence(self, counts: Array) -> Evidence:
        """How each of these times is founded."""
        level = np.where(on_point(self.points, counts), MEASURED, INTERPOLATED)
        outside = (counts > self.points[-1]) | (counts < self.points[0])
        beyond = (
            Beyond(self.axis, float(self.points[-1]), counts),
            Beyond(self.axis, float(self.points[0]), counts, below=True),
        )
        return Evidence(np.where(outside, EXTRAPOLATED, level), beyond)
