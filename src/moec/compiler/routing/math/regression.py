"""How probabilities are fitted to counts: a complementary log-log model by maximum likelihood."""

from __future__ import annotations

import numpy as np

from moec.arrays import Floats


def fit(features: Floats, base: Floats, trials: Floats, counts: Floats) -> Floats:
    """Slopes of the complementary log-log model `counts ~ trials · (1 − exp(−exp(base + features · slopes)))`.

    Fisher scoring with Poisson variance and a unit ridge, which keeps features that do not vary at 0.
    """
    slopes = np.zeros(features.shape[1])
    for _ in range(15):
        rate = np.exp(np.clip(base + features @ slopes, -50.0, 4.0))
        mean = np.maximum(trials * -np.expm1(-rate), 1e-12)
        slope = trials * rate * np.exp(-rate)
        score = features.T @ ((counts - mean) * slope / mean) - slopes
        weighted = features * (slope * slope / mean)[:, None]
        step = np.linalg.solve(features.T @ weighted + np.eye(len(slopes)), score)
        slopes += step
        if np.max(np.abs(step)) < 1e-4:
            break
    return slopes
