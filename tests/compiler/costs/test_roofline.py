"""The roofline's laws: no work no time, more never faster, better hardware never slower, never above the peaks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moec.compiler.costs.roofline import Roofline
from moec.compiler.ir.estimate import BOUNDS
from moec.compiler.ir.kernels import Attention, Elementwise, ExpertFfn, Gemm, Kernel
from moec.dsl.schema import Compute, Device

H100 = Device(80e9, 3.35e12, Compute(989e12, fp8=1979e12), llc=50e6, streaming=0.925)
A100 = Device(80e9, 2.039e12, Compute(312e12), llc=40e6)
B200 = Device(180e9, 8e12, Compute(2250e12, fp8=4500e12, fp4=9000e12))
DEVICES = st.sampled_from([H100, A100, B200])
WEIGHTS = st.sampled_from(["bf16", "fp8", "fp4", "mxfp4", "int4", "int8", "fp32", "tf32"])


def ns(kernel: Kernel, device: Device = H100) -> np.ndarray:
    return Roofline().estimate(kernel, device).time_ns


def chunk(tokens: float, cached: float, **more: object) -> Attention:
    """One chunk; `more` overrides fields."""
    pairs = tokens * cached + tokens * (tokens + 1) / 2
    kernel = Attention(1, tokens, pairs, tokens + cached, 0, 0, 0, 32, 8, 128, 128, "bf16", "bf16")
    return replace(kernel, **more)


def decode(sequences: float, context: float, **more: object) -> Attention:
    """Sequences of one length; `more` overrides fields."""
    counts = (0, 0, 0, 0, sequences, sequences * context, context * (sequences > 0))
    return replace(Attention(*counts, 32, 8, 128, 128, "bf16", "bf16"), **more)


@st.composite
def kernels(draw: st.DrawFn) -> Kernel:
    """Any kernel with some work."""
    rows, width = draw(st.integers(1, 20_000)), draw(st.sampled_from([256, 1024, 7168]))
    match draw(st.sampled_from(["gemm", "experts", "chunk", "decode", "both", "elementwise"])):
        case "gemm":
            return Gemm(rows, width, draw(st.integers(64, 16384)), draw(WEIGHTS), "bf16", draw(st.integers(1, 8)))
        case "experts":
            return ExpertFfn(rows, min(rows, draw(st.integers(1, 256))), width, 1024, True, draw(WEIGHTS), "bf16")
        case "chunk":
            return chunk(rows, draw(st.integers(0, 50_000)))
        case "decode":
            return decode(rows, draw(st.integers(1, 50_000)))
        case "both":
            return chunk(rows, 1000, decodes=8, decode_kv=8000, decode_max=1500)
        case _:
            return Elementwise(rows * width)


@pytest.mark.parametrize(
    "idle",
    [
        Gemm(np.array([0, 0]), 4096, 4096, "fp8", "bf16"),
        Gemm(np.array([0, 0]), 4096, 4096, "int4", "bf16"),
        ExpertFfn(np.zeros(2), np.zeros(2), 2048, 768, True, "bf16", "bf16"),
        chunk(np.zeros(2), 0, chunks=np.zeros(2)),
        Elementwise(np.zeros(2)),
    ],
    ids=["gemm", "unpacked", "experts", "attention", "elementwise"],
)
def test_no_work_takes_exactly_no_time(idle: Kernel) -> None:
    assert ns(idle).tolist() == [0.0, 0.0]


def test_an_idle_entry_does_not_touch_the_others() -> None:
    alone = ns(Gemm(np.array(5), 4096, 4096, "bf16", "bf16"))
    assert ns(Gemm(np.array([0, 5]), 4096, 4096, "bf16", "bf16")).tolist() == [0.0, float(alone)]


@given(kernels(), DEVICES)
def test_times_are_above_the_peaks_and_finite(kernel: Kernel, device: Device) -> None:
    estimate = Roofline().estimate(kernel, device)
    least = max(kernel.bytes / device.bandwidth, kernel.flops / 9000e12) * 1e9
    assert np.isfinite(estimate.time_ns) and estimate.time_ns > 0.999 * (
        0 if isinstance(kernel, Elementwise) else least
    )
    assert int(estimate.bound) in range(len(BOUNDS))
    assert estimate.source == "modelled"


@given(kernels(), DEVICES, st.floats(1, 8))
def test_more_bandwidth_never_slows(kernel: Kernel, device: Device, factor: float) -> None:
    faster = replace(device, bandwidth=device.bandwidth * factor)
    assert ns(kernel, faster) <= ns(kernel, device) * (1 + 1e-12)


@given(kernels(), DEVICES, st.floats(1, 8))
def test_more_compute_never_slows(kernel: Kernel, device: Device, factor: float) -> None:
    rates = {k: getattr(device.compute, k) for k in ("bf16", "fp8", "fp4", "int8", "fp32", "tf32")}
    compute = Compute(**{k: v and v * factor for k, v in rates.items()})
    assert ns(kernel, replace(device, compute=compute)) <= ns(kernel, device) * (1 + 1e-12)


@given(DEVICES, WEIGHTS, st.integers(64, 8192), st.integers(64, 8192))
def test_more_rows_are_never_faster(device: Device, weights: str, n: int, k: int) -> None:
    rows = np.arange(0, 9000, 7)
    assert (np.diff(ns(Gemm(rows, n, k, weights, "bf16"), device)) >= 0).all()
    active = np.minimum(rows, 64.0)
    assert (np.diff(ns(ExpertFfn(rows, active, n, k, True, weights, "bf16"), device)) >= 0).all()
    assert (np.diff(ns(Elementwise(rows * 1e5), device)) >= 0).all()


@given(DEVICES, st.integers(0, 100_000), st.integers(0, 64))
def test_more_tokens_in_attention_are_never_faster(device: Device, cached: int, sequences: int) -> None:
    tokens = np.arange(1, 5000, 11)
    mixed = chunk(tokens, cached, decodes=sequences, decode_kv=sequences * 900, decode_max=1000 * (sequences > 0))
    assert (np.diff(ns(mixed, device)) >= 0).all()
    assert (np.diff(ns(decode(tokens, 1 + cached), device)) >= 0).all()
    assert (np.diff(ns(decode(4, tokens), device)) >= 0).all()
    without = ns(chunk(tokens, cached), device)
    assert (ns(mixed, device) >= without).all()


def test_decode_experts_follow_the_experts_touched_not_the_tokens() -> None:
    """Qwen3-30B-A3B: 128 experts of 9.4 MB."""
    few, many = (ns(ExpertFfn(rows, 64.0, 2048, 768, True, "bf16", "bf16")) for rows in (64.0, 1024.0))
    half, full = (ns(ExpertFfn(512.0, active, 2048, 768, True, "bf16", "bf16")) for active in (64.0, 128.0))
    assert many < 1.1 * few
    assert full - half == pytest.approx(64 * 3 * 2048 * 768 * 2 / (3.35 * 925), rel=0.1)


def test_fp8_weights_halve_the_bytes_even_without_the_unit() -> None:
    """A100 has no fp8: same arithmetic as bf16 or slower, half the traffic."""
    wide, narrow = (Gemm(8, 8192, 8192, weights, "bf16") for weights in ("bf16", "fp8"))
    assert ns(narrow, A100) < 0.75 * ns(wide, A100)
    wide, narrow = (Gemm(8192, 8192, 8192, weights, "bf16") for weights in ("bf16", "fp8"))
    assert ns(narrow, A100) > ns(wide, A100)
    assert ns(narrow, H100) < 0.75 * ns(wide, H100)


def test_four_bit_arithmetic_needs_four_bit_activations_and_the_unit() -> None:
    weight_only, native = (Gemm(8192, 8192, 8192, "fp4", activations) for activations in ("bf16", "fp4"))
    assert ns(native, B200) < 0.5 * ns(weight_only, B200)
    assert ns(native, H100) > 0.8 * ns(weight_only, H100)


def test_small_decodes_are_latency_bound_and_large_ones_memory_bound() -> None:
    small, large = (Roofline().estimate(decode(n, 1000), H100) for n in (1, 256))
    assert (BOUNDS[int(small.bound)], BOUNDS[int(large.bound)]) == ("latency", "memory")
    kv = 256 * 1000 * 4096 / (3.35e3 * 0.925)
    assert kv < large.time_ns < 1.4 * kv


def test_long_chunks_reach_higher_rates_than_short_ones() -> None:
    tokens = np.array([128.0, 1024.0, 8192.0])
    kernel = chunk(tokens, 0)
    rate = kernel.flops / ns(kernel)
    assert (np.diff(rate) > 0).all()


def test_chunks_and_decodes_share_a_start_but_not_tiles() -> None:
    """In one batch with chunks every decode token fills a tile of its own: slower than the two alone on two passes."""
    both = chunk(512, 1024, decodes=64, decode_kv=64 * 4096, decode_max=4096)
    apart = ns(chunk(512, 1024)) + ns(decode(64, 4096))
    assert ns(both) > apart
    latent = {"latent": True, "kv_heads": 1}
    assert ns(replace(both, **latent)) < ns(chunk(512, 1024, **latent)) + ns(decode(64, 4096, **latent))


def test_activations_that_fit_in_the_cache_stay_there() -> None:
    fits, spills = ns(Elementwise(np.array([4e7, 2e8])))
    assert fits < 4e7 / 3.35e3 * 0.9 + 2023
    assert spills > 2e8 / 3.35e3
    assert ns(Elementwise(4e7), replace(H100, llc=None)) > fits


@pytest.mark.parametrize("shape", [(), (8193,), (3, 4, 1, 5)])
def test_the_shape_is_that_of_the_counts(shape: tuple[int, ...]) -> None:
    ones = np.ones(shape)
    for kernel in (
        Gemm(ones, 64, 64, "fp8", "bf16"),
        ExpertFfn(ones, 1, 64, 64, False, "fp4", "fp4"),
        decode(ones, 5),
        chunk(3, 0, decodes=ones, decode_kv=ones, decode_max=ones),
        Elementwise(ones),
    ):
        estimate = Roofline().estimate(kernel, B200)
        assert estimate.time_ns.shape == estimate.bound.shape == shape
        assert estimate.time_ns.dtype == np.float64
