"""Made-up requests: lengths and arrival times drawn from their laws."""

from __future__ import annotations

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Ints
from moec.dsl.schema import (
    Burst,
    Constant,
    GammaArrivals,
    Length,
    Lengths,
    LognormalLength,
    Poisson,
    UniformLength,
)

INPUT, OUTPUT, ARRIVAL = 1, 2, 3
"""Streams of random numbers: what one of them draws never changes what another does."""


def request_lengths(lengths: Lengths, seed: int) -> tuple[Ints, Ints]:
    """Prompt and output tokens of every request, each at least 1."""
    own = seed if lengths.seed is None else lengths.seed
    return _draw(lengths.input, lengths.count, own, INPUT), _draw(lengths.output, lengths.count, own, OUTPUT)


def arrival_times(arrivals: Poisson | GammaArrivals | Constant | Burst, count: int, seed: int) -> NDArray[np.float64]:
    """Nanoseconds, whole and ascending, however late.

    The first request comes one gap after zero; a burst and a constant stream begin at zero.
    """
    match arrivals:
        case Burst():
            return np.zeros(count)
        case Constant(rate):
            times: NDArray[np.float64] = np.rint(np.arange(count) * (1e9 / rate))
            return times
        case Poisson(rate, own):
            gaps = _generator(seed if own is None else own, ARRIVAL).exponential(1 / rate, count)
        case GammaArrivals(rate, cv, own):
            shape = 1 / cv**2  # a gamma law's coefficient of variation is shape^-1/2
            gaps = _generator(seed if own is None else own, ARRIVAL).gamma(shape, 1 / (shape * rate), count)
        case _:
            assert_never(arrivals)
    times = np.rint(np.cumsum(gaps) * 1e9)
    return times


def _draw(length: Length, count: int, seed: int, stream: int) -> Ints:
    match length:
        case UniformLength(low, high):
            return _generator(seed, stream).integers(low, high, count, endpoint=True)
        case LognormalLength(mean, std):
            variance = np.log1p((std / mean) ** 2)
            drawn = _generator(seed, stream).lognormal(np.log(mean) - variance / 2, np.sqrt(variance), count)
            return np.maximum(np.rint(drawn), 1).astype(np.int64)
        case int():
            return np.full(count, length, np.int64)
        case _:
            assert_never(length)


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, stream))))
