"""JSON as the simulator reads it, without what Python allows besides: it aborts at NaN and at what no double holds."""

from __future__ import annotations

import json
from math import isinf


def parse(text: str) -> object:
    """The value of a JSON text. Raises JSONDecodeError, and ValueError with a reason for a number that JSON has not."""
    return json.loads(text, parse_constant=_foreign, parse_float=_finite)


def _foreign(word: str) -> float:
    raise ValueError(f"it has no number `{word}`")


def _finite(digits: str) -> float:
    value = float(digits)
    if isinf(value):
        raise ValueError(f"`{digits}` is beyond a double")
    return value
