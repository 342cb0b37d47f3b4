"""What uneven contexts cost a decode batch: the share of the way from its mean context to its longest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moec.arrays import Array

_LABEL = re.compile(r"[A-Za-z]+(<=|=|>)(\d+)(k|%)?\Z")


@dataclass(frozen=True, slots=True, eq=False)
class Skew:
    """`alpha` `[chunk, decodes, rate, longest, cached]` within 0 and 1; the other arrays are the upper bounds of its bins
    (`chunks`: the prompt chunks that were profiled).
    """

    chunks: Array
    decodes: Array
    rates: Array
    longest: Array
    cached: Array
    alpha: Array

    @classmethod
    def of(cls, rows: Sequence[tuple[float, str, str, str, str, float]], default: float) -> Skew:
        """From the rows of `skew_fit.csv`; buckets without a row have `default`.

        Fitted shares are the quotient of two small differences where a batch's mean and maximum take equally long: they
        run from −735 to 27 in the published bundles. A batch is never faster than an even one, and never slower than
        one whose contexts are all as long as the longest.
        """
        chunks = np.unique([row[0] for row in rows])
        bounds = [np.unique([bound_of(str(row[i])) for row in rows]) for i in range(1, 5)]
        alpha = np.full((len(chunks), *map(len, bounds)), default)
        for row in rows:
            place = [int(np.searchsorted(b, bound_of(str(row[i + 1])))) for i, b in enumerate(bounds)]
            alpha[(int(np.searchsorted(chunks, row[0])), *place)] = row[5]
        decodes, rates, longest, cached = bounds
        return cls(chunks, decodes, rates, longest, cached, np.clip(alpha, 0.0, 1.0))

    def share(self, chunk: Array, cached: Array, decodes: Array, mean: Array, longest: Array) -> Array:
        """The share for batches of `decodes` contexts of `mean` and at most `longest` tokens beside a prompt chunk.

        A bucket's rate is (mean − shortest) ÷ (longest − shortest). The shortest context is not known here and is taken
        to be none: contexts close to each other then count as a high rate of a small difference.
        """
        rate = mean / np.maximum(longest, 1)
        index = (
            _nearest(self.chunks, chunk), _bin(self.decodes, decodes), _bin(self.rates, rate),
            _bin(self.longest, longest), _bin(self.cached, cached),
        )  # fmt: skip
        found: Array = self.alpha[index]
        return found


def bound_of(label: str) -> float:
    """The upper bound that a label such as `n<=8`, `kvB<=4k`, `sr<=15%`, `kp=0` or `sr>70%` names; ValueError if none."""
    match = _LABEL.match(label)
    if match is None:
        raise ValueError(label)
    if match[1] == ">":
        return np.inf
    return int(match[2]) * {"k": 1024.0, "%": 0.01, None: 1.0}[match[3]]


def _bin(bounds: Array, values: Array) -> Array:
    return np.minimum(np.searchsorted(bounds, values, side="left"), len(bounds) - 1)


def _nearest(points: Array, values: Array) -> Array:
    """The nearest point by ratio; 0 is nearest to 0 alone."""
    middles = np.sqrt(np.maximum(points[:-1], 0.25) * points[1:])
    return np.searchsorted(middles, values, side="right")
