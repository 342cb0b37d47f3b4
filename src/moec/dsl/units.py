"""Dimensions and units: what a quantity's suffix means in SI."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Dimension:
    """Exponents of the base dimensions; `Dimension()` is a pure number."""

    time: int = 0
    size: int = 0
    flops: int = 0
    tokens: int = 0
    requests: int = 0
    energy: int = 0

    def __mul__(self, other: Dimension) -> Dimension:
        return Dimension(*(a + b for a, b in zip(self.exponents(), other.exponents(), strict=True)))

    def __truediv__(self, other: Dimension) -> Dimension:
        return Dimension(*(a - b for a, b in zip(self.exponents(), other.exponents(), strict=True)))

    def exponents(self) -> tuple[int, ...]:
        """The exponents in field order."""
        return (self.time, self.size, self.flops, self.tokens, self.requests, self.energy)


NUMBER = Dimension()
TIME = Dimension(time=1)
SIZE = Dimension(size=1)
RATE = SIZE / TIME
COMPUTE = Dimension(flops=1) / TIME
TOKENS = Dimension(tokens=1)
REQUESTS_PER_SECOND = Dimension(requests=1) / TIME
TOKENS_PER_SECOND = TOKENS / TIME
ENERGY = Dimension(energy=1)
POWER = ENERGY / TIME

_SI = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_IEC = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}

_SIZES: dict[str, float] = {
    "B": 1.0,
    **{f"{p}B": f for p, f in (_SI | _IEC).items() if p != "P"},
    "b": 0.125,
    **{f"{p}b": f / 8 for p, f in _SI.items() if p != "P"},
}

UNITS: dict[str, tuple[float, Dimension]] = {
    "ns": (1e-9, TIME),
    "us": (1e-6, TIME),
    "µs": (1e-6, TIME),
    "ms": (1e-3, TIME),
    "s": (1.0, TIME),
    "min": (60.0, TIME),
    **{u: (f, SIZE) for u, f in _SIZES.items()},
    **{f"{u}/s": (f, RATE) for u, f in _SIZES.items()},
    "FLOPS": (1.0, COMPUTE),
    **{f"{p}FLOPS": (f, COMPUTE) for p, f in (_SI | {"E": 1e18}).items()},
    "token": (1.0, TOKENS),
    "tokens": (1.0, TOKENS),
    "tokens/s": (1.0, TOKENS_PER_SECOND),
    "req/s": (1.0, REQUESTS_PER_SECOND),
    "W": (1.0, POWER),
    "kW": (1e3, POWER),
    "J": (1.0, ENERGY),
}
"""Unit -> (factor to SI, dimension). Bits and bytes are both sizes; a bit is an eighth of a byte."""


def to_si(value: int | float, unit: str) -> int | float:
    """`value` of `unit` in SI, rounded once: 66.9 TFLOPS is 66.9e12, not its neighbour."""
    factor = UNITS[unit][0]
    if factor == 1 or not math.isfinite(value):
        return value
    return float(Decimal(repr(value)) * Decimal(repr(factor)))


_NAMES: dict[Dimension, str] = {
    NUMBER: "a plain number",
    TIME: "a time",
    SIZE: "a size in bytes",
    RATE: "a data rate",
    COMPUTE: "a compute rate",
    TOKENS: "a number of tokens",
    REQUESTS_PER_SECOND: "a request rate",
    TOKENS_PER_SECOND: "a token rate",
    ENERGY: "an energy",
    POWER: "a power",
}

EXAMPLES: dict[Dimension, str] = {
    NUMBER: "8",
    TIME: "2 us",
    SIZE: "80 GB",
    RATE: "450 GB/s",
    COMPUTE: "989 TFLOPS",
    TOKENS: "16 tokens",
    REQUESTS_PER_SECOND: "10 req/s",
    TOKENS_PER_SECOND: "500 tokens/s",
    ENERGY: "3 J",
    POWER: "700 W",
}

BASE: dict[Dimension, str] = {
    TIME: "s",
    SIZE: "B",
    RATE: "B/s",
    COMPUTE: "FLOPS",
    TOKENS: "tokens",
    REQUESTS_PER_SECOND: "req/s",
    TOKENS_PER_SECOND: "tokens/s",
    ENERGY: "J",
    POWER: "W",
}
"""The unit of factor 1 of every dimension that has units."""


def exact(value: int | float, dimension: Dimension) -> str:
    """`value` in the handiest unit that loses nothing: `to_si` of the result is `value`."""
    for unit in _SHOWN.get(dimension, ()):
        number = float(f"{value / UNITS[unit][0]:.15g}")
        if number >= 1 and to_si(number, unit) == value:
            return f"{number:.15g} {unit}"
    short = f"{value:.15g}"
    return f"{short if float(short) == value else repr(value)} {_of(value, BASE[dimension])}"


_SHOWN: dict[Dimension, tuple[str, ...]] = {
    TIME: ("min", "s", "ms", "us", "ns"),
    SIZE: ("TB", "GB", "MB", "KB", "B"),
    RATE: ("TB/s", "GB/s", "MB/s", "KB/s", "B/s"),
    COMPUTE: ("PFLOPS", "TFLOPS", "GFLOPS", "FLOPS"),
}


def describe_dimension(dimension: Dimension) -> str:
    """A dimension in a sentence: `a time`, `a data rate`, or its powers when it has no name."""
    if dimension in _NAMES:
        return _NAMES[dimension]
    names = ("time", "size", "operations", "tokens", "requests", "energy")
    powers = [f"{n}^{e}" if e != 1 else n for n, e in zip(names, dimension.exponents(), strict=True) if e]
    return "a quantity of " + "·".join(powers)


def shown(value: float, dimension: Dimension) -> str:
    """A value in SI as a person writes it: `450 GB/s`, `2 us`, `16 tokens`, `0.9`."""
    units = _SHOWN.get(dimension, (BASE[dimension],) if dimension in BASE else ())
    for unit in units:
        if abs(value) >= UNITS[unit][0] or unit == units[-1]:
            number = value / UNITS[unit][0]
            return f"{number:.6g} {_of(number, unit)}"
    return f"{value:.6g}"


def _of(number: float, unit: str) -> str:
    """One token, two tokens."""
    return "token" if unit == "tokens" and number == 1 else unit
