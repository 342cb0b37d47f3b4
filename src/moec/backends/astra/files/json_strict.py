"""JSON as the simulator reads it from nlohmann's library: stricter than Python's on numbers and texts, lax on what follows."""

from __future__ import annotations

import json
import re
from math import isinf

_SPACE = re.compile(r"[ \t\n\r]*")


def parse(text: str) -> object:
    """The first value of a JSON text; what stands behind it is not looked at. Of a key that comes twice the last counts.

    Integers beyond 64 bits are doubles. Raises JSONDecodeError, and ValueError with a reason for what Python reads besides.
    """
    decoder = json.JSONDecoder(parse_constant=_foreign, parse_float=_finite, parse_int=_integer)
    start = _SPACE.match(text)
    try:
        value, _ = decoder.raw_decode(text, start.end() if start else 0)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if "\\" in text:
        _whole(value)
    return value


def _foreign(word: str) -> float:
    raise ValueError(f"it has no number `{word}`")


def _finite(digits: str) -> float:
    value = float(digits)
    if isinf(value):
        raise ValueError(f"`{digits}` is beyond a double")
    return value


def _integer(digits: str) -> float:
    value = int(digits) if len(digits) < 24 else 2**64
    return value if -(2**63) <= value < 2**64 else _finite(digits)


def _whole(value: object) -> None:
    """Half a surrogate pair is no text."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("it has half a character, an escaped surrogate without the other") from None
