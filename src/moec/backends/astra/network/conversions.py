"""C++'s conversions between numbers, on x86-64: what the simulator makes of what its types cannot hold."""

from __future__ import annotations

_NO_INT32, _NO_UINT64 = -(2**31), 2**63
"""What the processor gives for what does not fit."""


def whole(number: float) -> int:
    """A double as an unsigned 64-bit integer: cut towards 0; below 0 it wraps round, from 2^64 on it is 0."""
    if not number < 2**64:
        return 0 if number == number else _NO_UINT64
    cut = int(number)
    return cut % 2**64 if cut >= -(2**63) else _NO_UINT64


def wrapped(value: int) -> int:
    """The last 32 bits of an integer, with a sign."""
    return (value + 2**31) % 2**32 - 2**31


def cut(number: float) -> int:
    """A double as a signed 32-bit integer: cut towards 0."""
    found = int(number) if abs(number) < 2**32 else _NO_INT32
    return found if -(2**31) <= found < 2**31 else _NO_INT32


def comes(now: int, ns: int) -> bool:
    """Whether what is to happen `ns` nanoseconds after `now`, in 64 bits that wrap round, ever does.

    Before `now` it fails an assertion, far beyond it only where a double holds the time.
    """
    time = now + ns
    return time >= 2**64 or float(time) == time
