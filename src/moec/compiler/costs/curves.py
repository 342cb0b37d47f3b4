"""How far kernels stay below a device's peaks: a start-up time and shares of the peaks for each kind of kernel.

The constants are one set for all devices, fitted to vLLM's kernels on nine NVIDIA GPUs (A100 to GB300, L40S, RTX PRO
6000). Relative error on a GPU that was left out of the fit, median and 90th percentile: products in bf16 9 % and 25 %, in
fp8 15 % and 51 %, in fp4 19 % and 49 %; experts in bf16 and fp8 10 % and 40 %, in fp4 13 % and 48 %, with four-bit weights
29 % and 62 %; prompt attention 13 % and 37 %; decode attention 15 % and 42 %, over 200 MB of cache 6 % and 24 %;
elementwise work 14 % and 42 %. `docs/costs.md` has the tables by GPU and regime, and what is not modelled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.rates import Unit, rate_of
from moec.compiler.ir.kernels import Attention, Elementwise, ExpertFfn, Gemm
from moec.dsl.schema import DTYPE_BYTES, Device, Dtype


@dataclass(frozen=True, slots=True)
class Curves:
    """The constants. Times in nanoseconds, shares of the device's peaks; `scripts/fit_roofline.py` fits them."""

    streaming: float = 0.893  # share of the memory bandwidth that long reads reach, on a device that does not say

    # Dense products. What is called memory is a share of that, compute one of the arithmetic peak.
    gemm_start: float = 418.0
    gemm_loop: float = 4040.0  # of an inner loop over 4096 products; it grows with the fourth root
    gemm_memory: float = 0.976
    gemm_bf16: float = 0.786
    gemm_fp8: float = 0.680
    gemm_fp4: float = 0.456
    quantise: float = 3039.0  # a kernel of its own ahead of a product with fewer bits
    quantise_passes: float = 1.58  # its passes over the activations, in and out

    # Four-bit weights that are expanded to bf16 on the way in, in dense products and in experts.
    unpack: float = 0.472
    unpack_rate: float = 7039.0  # weights per nanosecond

    # Routed experts.
    experts_start: float = 24_450.0  # sort, gather, two or three products, activation, sum
    experts_memory: float = 0.988
    experts_bf16: float = 0.557
    experts_fp8: float = 0.419
    experts_fp4: float = 0.254
    experts_pad: float = 37.9  # rows that every active expert adds to fill its last tile
    experts_passes: float = 2.39  # memory passes over the rows besides those that the kernel counts

    # Attention.
    attention_start: float = 10_200.0
    attention_compute: float = 0.725
    attention_width: float = 28.6  # the softmax of a query and a key, as so many head dimensions
    attention_memory: float = 1.0
    prefill_pad: float = 155.0  # keys that every query adds to fill tiles
    prefill_item: float = 12.8  # per head and tile of 128 queries
    prefill_walk: float = 8.26  # per position that a tile of queries passes, one after the other
    prefill_tile: float = 3285.0  # queries that the whole device holds at a time, when few tiles walk far
    decode_tile: float = 64.0  # queries in a tile: those that share a key; one head's, in a batch with chunks
    decode_item: float = 15.1  # per sequence and key–value head, on a device of 3 TB/s
    decode_walk: float = 562.0  # for a context of 1000; it grows with the square root

    # Elementwise work.
    elementwise_start: float = 2023.0
    elementwise_memory: float = 0.918
    cache_rate: float = 6027.0  # bytes per nanosecond out of the last-level cache

    def gemm_compute(self, unit: Unit) -> float:
        """Share of the arithmetic peak that a large dense product reaches."""
        return {"bf16": self.gemm_bf16, "fp8": self.gemm_fp8, "fp4": self.gemm_fp4, "unpack": self.unpack}[unit]

    def experts_compute(self, unit: Unit) -> float:
        """The same for routed experts."""
        return {"bf16": self.experts_bf16, "fp8": self.experts_fp8, "fp4": self.experts_fp4, "unpack": self.unpack}[
            unit
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """Nanoseconds: fixed, of memory traffic, of arithmetic. The last two overlap as √(memory² + compute²)."""

    start: Array
    memory: Array
    compute: Array


def gemm_terms(kernel: Gemm, device: Device, curves: Curves) -> Terms:
    """A dense product, with the quantisation of its input where that is due."""
    rate = rate_of(device, kernel.weights, kernel.activations)
    start: Array = curves.gemm_start + curves.gemm_loop * np.asarray(kernel.k / 4096) ** 0.25
    if rate.quantises:
        start = start + quantise_ns(kernel.m * (1.0 * kernel.batch * kernel.k), kernel.weights, device, curves)
    memory = kernel.bytes * (1 / (_bandwidth(device, curves) * curves.gemm_memory))
    if rate.unit == "unpack":
        memory = np.hypot(memory, kernel.batch * kernel.n * kernel.k / curves.unpack_rate * (np.asarray(kernel.m) > 0))
    return Terms(start, memory, kernel.flops * (1 / (rate.flops * curves.gemm_compute(rate.unit))))


def quantise_ns(elements: Array, to: Dtype, device: Device, curves: Curves) -> Array:
    """Conversion of bf16 activations to eight or four bits by a kernel of its own, scales included."""
    traffic = elements * ((DTYPE_BYTES["bf16"] + DTYPE_BYTES[to]) * curves.quantise_passes)
    return curves.quantise + _stream(traffic, device, curves)


def experts_terms(kernel: ExpertFfn, device: Device, curves: Curves) -> Terms:
    """The routed experts of one rank."""
    rate = rate_of(device, kernel.weights, kernel.activations)
    per_row = curves.experts_passes * kernel.hidden * DTYPE_BYTES["bf16"] / _bandwidth(device, curves)
    memory = kernel.bytes * (1 / (_bandwidth(device, curves) * curves.experts_memory))
    if rate.unit == "unpack":
        memory = np.hypot(memory, kernel.active * (kernel.parameters / curves.unpack_rate))
    padded = kernel.rows + curves.experts_pad * kernel.active
    compute = padded * (2.0 * kernel.parameters / (rate.flops * curves.experts_compute(rate.unit)))
    return Terms(curves.experts_start + kernel.rows * per_row, memory, compute)


def prefill_terms(kernel: Attention, device: Device, curves: Curves) -> Terms:
    """Prompt chunks, without the start. A tile of queries walks along its keys; few tiles leave the device idle."""
    product = _product(kernel, device, curves)
    reach = kernel.chunk_kv / np.maximum(kernel.chunks, 1)
    tiles = kernel.chunk_tokens / 128 + kernel.chunks
    work = (kernel.pairs + curves.prefill_pad * kernel.chunk_tokens) * (product * kernel.heads)
    return Terms(
        reach * curves.prefill_walk + tiles * (curves.prefill_item * kernel.heads),
        kernel.prefill_bytes * (1 / (_bandwidth(device, curves) * curves.attention_memory)),
        np.hypot(work, reach * (product * curves.prefill_tile)),
    )


def decode_terms(kernel: Attention, device: Device, curves: Curves) -> Terms:
    """Single decode tokens, without the start.

    Together with chunks they run in the prompt kernel, which gives every query head of every token a tile of its own:
    64 rows in FlashAttention 2 over paged keys (`kBlockM` in its flash_fwd_launch_template.h). Kernels for latent keys
    and values split the batch instead.
    """
    rows: Array = np.ceil(kernel.heads / kernel.kv_heads / curves.decode_tile) * curves.decode_tile * kernel.kv_heads
    if not kernel.latent:
        tiled = np.maximum(rows, curves.decode_tile * kernel.heads)
        rows = np.where(np.asarray(kernel.chunk_tokens) > 0, tiled, rows)
    item = curves.decode_item * kernel.kv_heads * (3e12 / device.bandwidth) ** 0.5
    return Terms(
        kernel.decodes * item + np.sqrt(kernel.decode_max) * (curves.decode_walk / 1000**0.5),
        kernel.decode_bytes * (1 / (_bandwidth(device, curves) * curves.attention_memory)),
        kernel.decode_kv * (_product(kernel, device, curves) * rows),
    )


def _product(kernel: Attention, device: Device, curves: Curves) -> float:
    """Nanoseconds of one query and one key: scores, softmax and weighted sum, in bf16 whatever the cache holds."""
    width = kernel.qk_dim + kernel.v_dim + 2 * curves.attention_width
    return 2e9 * width / (device.compute.bf16 * curves.attention_compute)


def elementwise_terms(kernel: Elementwise, device: Device, curves: Curves) -> Terms:
    """Memory-bound work."""
    traffic = np.asarray(kernel.traffic, dtype=float)
    return Terms(np.asarray(curves.elementwise_start), _stream(traffic, device, curves), np.zeros(()))


def _stream(traffic: Array, device: Device, curves: Curves) -> Array:
    """Nanoseconds to read and write `traffic` bytes of activations.

    What one kernel leaves in the last-level cache, the next one finds there: traffic up to the cache's size stays
    inside, twice as much passes it by.
    """
    bandwidth = _bandwidth(device, curves) * curves.elementwise_memory
    if device.llc is None:
        return traffic / bandwidth
    outside = np.clip(2 * (traffic - device.llc), 0.0, traffic)
    return (traffic - outside) / max(bandwidth, curves.cache_rate) + outside / bandwidth


def _bandwidth(device: Device, curves: Curves) -> float:
    """Bytes per nanosecond of a long read."""
    return device.bandwidth * (device.streaming or curves.streaming) / 1e9
