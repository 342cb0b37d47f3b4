"""Tables of whole nanoseconds over a count, made when first needed and doubled when outgrown."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from moec.arrays import Array

FIRST_SIZE = 2048


class DurationTable:
    """`make(counts)` gives `[counts, width]` for whole counts from 0 on; `at` looks counts up.

    Exact: no interpolation. `width` is 1 where all attention-DP ranks are alike, else dp.
    """

    def __init__(self, make: Callable[[Array], Array]) -> None:
        self._make = make
        self._rows = np.zeros((0, 1), dtype=np.int64)
        self._columns = np.zeros(1, dtype=np.int64)
        self._one: Array | None = self._rows[:, 0]

    def at(self, counts: Array) -> Array:
        """`[…, dp]` or `[…]` whole counts to times of the same shape (a last axis of 1 widens to dp if ranks differ)."""
        index = np.asarray(counts).astype(np.int64)
        try:
            return self._look_up(index)
        except IndexError:  # rarer, and cheaper, than asking for the largest count every time
            self._grow(int(index.max()))
            return self._look_up(index)

    def _look_up(self, index: Array) -> Array:
        return self._one[index] if self._one is not None else self._rows[index, self._columns]

    def _grow(self, top: int) -> None:
        rows = self._make(np.arange(max(FIRST_SIZE, 1 << (top + 1).bit_length())))
        alike = bool((rows == rows[:, :1]).all())
        self._rows = rows[:, :1].copy() if alike else rows
        self._columns = np.arange(self._rows.shape[1])
        self._one = self._rows[:, 0] if self._rows.shape[1] == 1 else None
