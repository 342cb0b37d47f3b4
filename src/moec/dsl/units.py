"""Dimensions and units: what a quantity's suffix means in SI."""

from __future__ import annotations

from dataclasses import dataclass


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
    "ms": (1e-3, TIME),
    "s": (1.0, TIME),
    "min": (60.0, TIME),
    **{u: (f, SIZE) for u, f in _SIZES.items()},
    **{f"{u}/s": (f, RATE) for u, f in _SIZES.items()},
    **{f"{p}FLOPS": (f, COMPUTE) for p, f in _SI.items()},
    "token": (1.0, TOKENS),
    "tokens": (1.0, TOKENS),
    "tokens/s": (1.0, TOKENS_PER_SECOND),
    "req/s": (1.0, REQUESTS_PER_SECOND),
    "W": (1.0, POWER),
    "J": (1.0, ENERGY),
}
"""Unit -> (factor to SI, dimension). Bits and bytes are both sizes; a bit is an eighth of a byte."""
