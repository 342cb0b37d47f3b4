"""`+ - * /` on quantities, with their dimensions."""

from __future__ import annotations

import math

from moec.dsl.meaning.values import Quantity
from moec.dsl.units import NUMBER, REQUESTS_PER_SECOND, TIME, TOKENS, Dimension, describe_dimension

LARGEST_WHOLE = 10**18
"""Whole numbers beyond this go on as floating point, so that no chain of products grows without bound."""

_COUNTS = {TOKENS, REQUESTS_PER_SECOND * TIME}


def is_count(dimension: Dimension) -> bool:
    """Whether a bare number may stand for the dimension: it counts things, so no unit can be meant wrongly."""
    return dimension == NUMBER or dimension in _COUNTS


def apply(operator: str, left: Quantity, right: Quantity) -> Quantity | tuple[str, str, str]:
    """The result, or the code, title and help of what is wrong with it."""
    if operator in "+-":
        dimension = _common(left.dimension, right.dimension)
        if dimension is None:
            verb = "add" if operator == "+" else "subtract"
            return (
                "M206",
                f"cannot {verb} {describe_dimension(left.dimension)} and {describe_dimension(right.dimension)}",
                "sums are of one dimension",
            )
        value = left.value + right.value if operator == "+" else left.value - right.value
        return _finite(value, dimension)
    if operator == "*":
        return _finite(left.value * right.value, left.dimension * right.dimension)
    if right.value == 0:
        return "M208", "division by zero", "divide by something else"
    return _finite(_quotient(left.value, right.value), left.dimension / right.dimension)


def _common(left: Dimension, right: Dimension) -> Dimension | None:
    """The dimension of a sum: equal ones, or a count and a bare number."""
    if left == right:
        return left
    if {left, right} & _COUNTS and NUMBER in (left, right):
        return left if right == NUMBER else right
    return None


def _quotient(left: float, right: float) -> int | float:
    """Whole when both are and it comes out even."""
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return left // right
    return left / right


def _finite(value: int | float, dimension: Dimension) -> Quantity | tuple[str, str, str]:
    if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        value = float(value)
    return (
        Quantity(value, dimension)
        if math.isfinite(value)
        else ("M209", "the number is too large", "the largest is about 1.8e308")
    )
