"""Which random numbers belong to what: independent streams of one seed."""

from __future__ import annotations

import numpy as np

WEIGHTS, SHUFFLE, DRAWS, POOL = range(4)
"""Streams: popularity weights, per-layer shuffles, draws of an iteration, the pool behind expected maxima."""


def generator(seed: int, stream: int, *key: int) -> np.random.Generator:
    """PCG64 seeded by `(seed, stream, *key)`: the same numbers on every machine, independent between keys."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream, *key])))
