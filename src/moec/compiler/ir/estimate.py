"""A time with what bounds it and how well it is founded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from moec.arrays import Array

BOUNDS = ("compute", "memory", "latency")
"""What limits a kernel: arithmetic, memory traffic, or a fixed floor (launch, synchronisation)."""

LEVELS = ("measured", "interpolated", "extrapolated", "modelled")
"""How well a time is founded: a measured point, between measured points, beyond them, or computed from data sheets."""
MEASURED, INTERPOLATED, EXTRAPOLATED, MODELLED = range(4)
MIXED = "mixed"
"""The source of an estimate whose times differ in this."""


@dataclass(frozen=True, slots=True, eq=False)
class Beyond:
    """A bound of the measurements: they end at `limit` of `axis` (`tokens`, …), the kernel is at `value` (an array).

    `below`: they begin there.
    """

    axis: str
    limit: float
    value: Array
    below: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Where each time of an estimate comes from: `level` indexes LEVELS and broadcasts to the times."""

    level: Array
    beyond: tuple[Beyond, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Time in nanoseconds (float, the broadcast shape of the kernel's counts; 0 where there is no work).

    `bound` indexes BOUNDS, same shape. `source` is the evidence level, one of LEVELS, or MIXED where each time has its
    own: `grade` says which, and is only called when somebody asks (`evidence`), for it can take as long as the times.
    """

    time_ns: Array
    bound: Array
    source: str
    grade: Callable[[], Evidence] | None = None

    @property
    def evidence(self) -> Evidence:
        """Where each time comes from."""
        return self.grade() if self.grade is not None else Evidence(np.asarray(LEVELS.index(self.source)))
