"""How fast a device computes on given data types, and which of its units does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

from moec.dsl.schema import Compute, Device, Dtype

Unit = Literal["bf16", "fp8", "fp4", "unpack"]
"""Which efficiency applies. `unpack`: bf16 arithmetic on weights that are expanded on the way in."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Peak `flops` per nanosecond of `unit`; `quantises`: activations are first converted to the weights' type."""

    flops: float
    unit: Unit
    quantises: bool = False


def rate_of(device: Device, weights: Dtype, activations: Dtype) -> Rate:
    """The rate of a product of weights and activations.

    Eight-bit weights meet activations of eight bits: wider ones are quantised on the way in, as serving engines do.
    Four-bit weights do so only where the activations are four-bit too (`fp4` on a device that has it); other four-bit
    weights, and eight-bit ones on a device without the unit, are expanded to bf16: the bytes stay small.
    """
    compute = device.compute
    match weights:
        case "bf16" | "fp16":
            return Rate(compute.bf16 / 1e9, "bf16")
        case "fp32" | "tf32":
            return Rate(_wide(compute, weights) / 1e9, "bf16")
        case "fp8" | "int8":
            peak = compute.fp8 if weights == "fp8" else compute.int8
            if peak is None:
                return Rate(compute.bf16 / 1e9, "unpack")
            return Rate(peak / 1e9, "fp8", quantises=activations != weights)
        case "fp4" | "mxfp4":
            if compute.fp4 is None or activations != "fp4":
                return Rate(compute.bf16 / 1e9, "unpack")
            return Rate(compute.fp4 / 1e9, "fp4", quantises=True)
        case "int4":
            return Rate(compute.bf16 / 1e9, "unpack")
        case _:
            assert_never(weights)


def _wide(compute: Compute, dtype: Dtype) -> float:
    """Absent rates: tf32 runs at half of bf16 and fp32 at a sixteenth, as on A100 (NVIDIA A100 data sheet)."""
    if dtype == "tf32":
        return compute.tf32 or compute.bf16 / 2
    return compute.fp32 or compute.bf16 / 16
