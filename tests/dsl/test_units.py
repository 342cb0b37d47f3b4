"""Quantities: SI inside, dimensions through arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moec.dsl.meaning.arithmetic import apply
from moec.dsl.meaning.values import Quantity
from moec.dsl.units import BASE, NUMBER, RATE, SIZE, TIME, TOKENS, UNITS, Dimension, exact, shown, to_si


@pytest.mark.parametrize(
    ("value", "unit", "si"),
    [
        (66.9, "TFLOPS", 66.9e12),
        (7.3, "us", 7.3e-6),
        (3, "us", 3e-6),
        (400, "Gb/s", 50e9),
        (79.15, "GiB", 79.15 * 2**30),
        (8, "b", 1.0),
        (2, "min", 120.0),
        (5, "tokens", 5),
    ],
)
def test_a_quantity_is_rounded_once(value: float, unit: str, si: float) -> None:
    assert to_si(value, unit) == si


def test_dimensions_multiply_and_divide() -> None:
    assert apply("/", Quantity(90, SIZE), Quantity(2.0, TIME)) == Quantity(45.0, RATE)
    assert apply("*", Quantity(45.0, RATE), Quantity(2.0, TIME)) == Quantity(90.0, SIZE)
    assert apply("-", Quantity(5, TIME), Quantity(2, TIME)) == Quantity(3, TIME)


def test_whole_numbers_stay_whole_when_they_can() -> None:
    assert apply("/", Quantity(32, NUMBER), Quantity(8, NUMBER)) == Quantity(4, NUMBER)
    assert isinstance(apply("*", Quantity(10**12, NUMBER), Quantity(10**12, NUMBER)).value, float)  # type: ignore[union-attr]


def test_a_bare_number_counts_tokens_but_not_seconds() -> None:
    assert apply("+", Quantity(16, TOKENS), Quantity(1, NUMBER)) == Quantity(17, TOKENS)
    assert apply("+", Quantity(1, NUMBER), Quantity(2.0, TIME)) == (
        "M206",
        "cannot add a plain number and a time",
        "sums are of one dimension",
    )


@given(st.floats(1e-12, 1e18), st.sampled_from(sorted(BASE, key=str)))
def test_an_exact_quantity_reads_back_as_itself(value: float, dimension: Dimension) -> None:
    number, unit = exact(value, dimension).split(" ")
    assert to_si(float(number), unit) == value
    assert UNITS[unit][1] == dimension


def test_quantities_are_shown_as_a_person_writes_them() -> None:
    assert [shown(450e9, RATE), shown(2e-6, TIME), shown(0.0, TIME), shown(16, TOKENS)] == [
        "450 GB/s",
        "2 us",
        "0 ns",
        "16 tokens",
    ]
