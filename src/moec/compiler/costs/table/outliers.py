"""Stretches of a measured curve in which something else kept the device busy."""

from __future__ import annotations

import numpy as np

from moec.arrays import Array

REACH = 20
"""Points on either side that a point is compared with."""

FACTOR = 1.3
"""Over so many times the median of its neighbours, a point is left out. Kernels step up at tiles, and stay there."""


def outliers(times: Array) -> Array:
    """Which points of a curve stand out of their neighbourhood; none of fewer than five points."""
    if len(times) < 5:
        return np.zeros(len(times), bool)
    padded = np.pad(times, REACH, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * REACH + 1)
    found: Array = times > FACTOR * np.nanmedian(windows, axis=1)
    # At a step the lower side fills the median: what stays up is no outlier.
    after = np.array([np.median(times[i : i + REACH + 1]) for i in range(len(times))])
    return found & (times > FACTOR * after)


def windows_of(points: Array, out: Array) -> list[str]:
    """Runs of neighbouring points that are out, as a reader writes them: `36 to 39`, `66`."""
    runs: list[list[int]] = []
    for i in np.flatnonzero(out):
        if runs and runs[-1][-1] == i - 1:
            runs[-1].append(int(i))
        else:
            runs.append([int(i)])
    return [f"{points[run[0]]:g}" if len(run) == 1 else f"{points[run[0]]:g} to {points[run[-1]]:g}" for run in runs]
