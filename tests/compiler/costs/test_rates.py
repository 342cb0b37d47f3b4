"""Which unit multiplies what."""

from __future__ import annotations

import pytest

from moec.compiler.costs.rates import Rate, rate_of
from moec.dsl.schema import Compute, Device

PLAIN = Device(80e9, 2e12, Compute(312e12))
FULL = Device(180e9, 8e12, Compute(2250e12, fp32=75e12, tf32=1125e12, fp8=4500e12, int8=4500e12, fp4=9000e12))


@pytest.mark.parametrize(
    ("weights", "activations", "plain", "full"),
    [
        ("bf16", "bf16", Rate(312e3, "bf16"), Rate(2250e3, "bf16")),
        ("fp16", "fp16", Rate(312e3, "bf16"), Rate(2250e3, "bf16")),
        ("tf32", "fp32", Rate(156e3, "bf16"), Rate(1125e3, "bf16")),
        ("fp32", "fp32", Rate(19.5e3, "bf16"), Rate(75e3, "bf16")),
        ("fp8", "bf16", Rate(312e3, "unpack"), Rate(4500e3, "fp8", quantises=True)),
        ("fp8", "fp8", Rate(312e3, "unpack"), Rate(4500e3, "fp8")),
        ("int8", "bf16", Rate(312e3, "unpack"), Rate(4500e3, "fp8", quantises=True)),
        ("fp4", "bf16", Rate(312e3, "unpack"), Rate(2250e3, "unpack")),
        ("fp4", "fp4", Rate(312e3, "unpack"), Rate(9000e3, "fp4", quantises=True)),
        ("mxfp4", "bf16", Rate(312e3, "unpack"), Rate(2250e3, "unpack")),
        ("int4", "fp4", Rate(312e3, "unpack"), Rate(2250e3, "unpack")),
    ],
)
def test_rate(weights: str, activations: str, plain: Rate, full: Rate) -> None:
    assert rate_of(PLAIN, weights, activations) == plain
    assert rate_of(FULL, weights, activations) == full
