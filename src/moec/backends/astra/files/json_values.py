"""What the simulator makes of a JSON value where it wants a number, a text or a switch, as nlohmann's library converts it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from moec.backends.astra.network.conversions import cut, whole, wrapped
from moec.backends.astra.network.refusal import Stopped, aborts

_LEADING = re.compile(r"[ \t\n\v\f\r]*([-+]?[0-9]+)")


def int32(raw: Mapping[str, Any], key: str, default: int) -> int:
    """An `int`; true and false are 1 and 0. Raises Stopped where the value is no number."""
    value = raw.get(key, default)
    if isinstance(value, float):
        return cut(value)
    if not isinstance(value, int):
        raise _no_number(key, value)
    return wrapped(value)


def float32(raw: Mapping[str, Any], key: str, default: float) -> float:
    """A `float`; true and false are 1 and 0. Raises Stopped where the value is no number."""
    value = raw.get(key, default)
    if not isinstance(value, (int, float)):
        raise _no_number(key, value)
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def double(raw: Mapping[str, Any], key: str, default: float) -> float:
    """A `double`. Raises Stopped where the value is no number; true and false are none."""
    value = raw.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _no_number(key, value)
    return float(value)


def uint64(raw: Mapping[str, Any], key: str, default: int) -> int:
    """A `uint64_t`. Raises Stopped where the value is no number; true and false are none."""
    value = raw.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _no_number(key, value)
    return whole(value) if isinstance(value, float) else value % 2**64


def text(raw: Mapping[str, Any], key: str) -> str | None:
    """A string, None where the key is missing. Raises Stopped where the value is none."""
    value = raw.get(key, "")
    if not isinstance(value, str):
        raise Stopped(aborts(f"`{key}` is {shown(value)}: `type must be string`"))
    return value if key in raw else None


def stoi(written: str) -> int | None:
    """The `int` that a text begins with, after white space; None where `stoi` throws."""
    match = _LEADING.match(written)
    number = int(match[1]) if match else 2**31
    return number if -(2**31) <= number < 2**31 else None


def is_on(raw: Mapping[str, Any], key: str) -> bool:
    """Whether a switch is not 0; whatever is no number is not 0, false included."""
    value = raw.get(key, 0)
    return isinstance(value, bool) or not isinstance(value, (int, float)) or value != 0


def shown(value: Any) -> str:
    """A value as JSON writes it, as far as it matters."""
    return (
        {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else repr(value)
    )


def _no_number(key: str, value: Any) -> Stopped:
    return Stopped(aborts(f"`{key}` is {shown(value)}: `type must be number`"))
