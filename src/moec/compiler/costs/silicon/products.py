"""Dense products from measured ones: what the table says of the nearest widths and depths, moved by the roofline."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.roofline import Roofline
from moec.compiler.costs.silicon.grids import Line, never_less
from moec.compiler.costs.silicon.library import Library
from moec.compiler.ir.estimate import EXTRAPOLATED, INTERPOLATED, MEASURED
from moec.compiler.ir.kernels import Gemm
from moec.dsl.schema import Device, Dtype

NAMES: dict[Dtype, tuple[str, ...]] = {
    "bf16": ("bfloat16",),
    "fp16": ("bfloat16",),
    "fp8": ("fp8", "fp8_block"),
    "fp4": ("nvfp4",),
}
"""A weight type -> the package's names of it. Eight bits have two kernels, with one scale and with one for every 128 × 128
weights; the faster counts, because the second was timed with its host time in it on most devices (a product of one row takes
60 us on H100 and 180 us on B200, whatever its size). Four and eight bits include the conversion of the input.
"""

MLA_PRODUCTS = {(128, 512): "mla_gen_pre", (512, 128): "mla_gen_post"}
"""Depth and width of the batched products of absorbed latent attention -> name of the operation in the table `mla_bmm`."""


class Products:
    """Of one device. Times are the roofline's, times what the measured products took over what it gives them."""

    def __init__(self, library: Library, device: Device) -> None:
        self._library, self._device, self._roofline = library, device, Roofline()
        self._lines = cache(self._line)
        self._tables = cache(self._table)
        self._batched = cache(self._batch_line)

    def time(self, kernel: Gemm) -> tuple[Array, Array] | None:
        """Nanoseconds and evidence, both of the shape of `kernel.m`; None when nothing alike was measured."""
        rows = np.asarray(kernel.m, dtype=float)
        if kernel.batch > 1:
            return self._of_heads(kernel, rows)
        found = [f for name in NAMES.get(kernel.weights, ()) if (f := self._factor(name, kernel, rows))]
        if not found:
            return None
        base = self._roofline.estimate(kernel, self._device).time_ns
        times = np.stack(np.broadcast_arrays(*(base * np.exp(log) for log, _ in found)))
        levels = np.stack(np.broadcast_arrays(*(level for _, level in found)))
        best = times.argmin(axis=0)[None]
        return np.take_along_axis(times, best, axis=0)[0], np.take_along_axis(levels, best, axis=0)[0]

    def _factor(self, name: str, kernel: Gemm, rows: Array) -> tuple[Array, Array] | None:
        """The logarithm of measured over modelled time, between the four nearest widths and depths that were measured."""
        table = self._tables(name)
        if table is None:
            return None
        (wide, widths_level), (deep, depths_level) = (
            _neighbours(axis, size) for axis, size in zip(table[:2], (kernel.n, kernel.k), strict=True)
        )
        total, weights, level = 0.0 * rows, 0.0, np.full(rows.shape, max(widths_level, depths_level))
        for (n, across), (k, down) in product(wide, deep):
            line = self._lines(name, n, k, kernel.weights, kernel.activations)
            if line is not None:
                total = total + across * down * line.at(np.log(np.maximum(rows, 1)))
                level = np.maximum(level, line.level(np.log(np.maximum(rows, 1))))
                weights += across * down
        return (total / weights, level) if weights else None

    def _table(self, name: str) -> tuple[Array, Array, dict[tuple[int, ...], Line]] | None:
        found = self._library.rows("gemm", "gemm", ("n", "k", "m"), ("gemm_dtype", name))
        if found is None:
            return None
        groups = {
            shape: Line(part.keys[:, 0].astype(float), never_less(part.time_ns))
            for shape, part in found.groups("n", "k").items()
        }
        return np.unique(found.keys[:, 0]), np.unique(found.keys[:, 1]), groups

    def _line(self, name: str, n: int, k: int, weights: Dtype, activations: Dtype) -> Line | None:
        """Over the logarithm of the rows."""
        table = self._tables(name)
        measured = table[2].get((n, k)) if table else None
        if measured is None:
            return None
        kernel = Gemm(measured.points, n, k, weights, activations)
        model = self._roofline.estimate(kernel, self._device).time_ns
        return Line(np.log(measured.points), np.log(measured.values / model))

    def _of_heads(self, kernel: Gemm, rows: Array) -> tuple[Array, Array] | None:
        """One product for every head."""
        line = self._batched(kernel.batch, kernel.k, kernel.n)
        return None if line is None else (line.at(rows), line.level(rows))

    def _batch_line(self, heads: int, k: int, n: int) -> Line | None:
        name = MLA_PRODUCTS.get((k, n))
        if name is None:
            return None
        found = self._library.rows("mla_bmm", "mla_bmm", ("num_tokens",), ("op_name", name), ("num_heads", heads))
        return None if found is None else Line(found.keys[:, 0].astype(float), never_less(found.time_ns))


def _neighbours(axis: Array, size: int) -> tuple[list[tuple[int, float]], int]:
    """The values of `axis` around `size` with their weights on a logarithmic scale, and the evidence of such a step."""
    place = int(np.searchsorted(axis, size))
    if place < len(axis) and axis[place] == size:
        return [(size, 1.0)], MEASURED
    if place in (0, len(axis)):
        return [(int(axis[min(place, len(axis) - 1)]), 1.0)], EXTRAPOLATED
    low, high = int(axis[place - 1]), int(axis[place])
    share = float(np.log(size / low) / np.log(high / low))
    return [(low, 1 - share), (high, share)], INTERPOLATED
