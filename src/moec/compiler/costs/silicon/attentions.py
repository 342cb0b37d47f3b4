"""Attention over a paged cache from measured batches: prompts, decode steps, and both in one batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.roofline import Roofline
from moec.compiler.costs.silicon.grids import Plane, never_less
from moec.compiler.costs.silicon.library import Library
from moec.compiler.ir.estimate import EXTRAPOLATED
from moec.compiler.ir.kernels import Attention
from moec.dsl.schema import Device, Dtype

CACHES: dict[Dtype, str] = {"bf16": "bfloat16", "fp16": "bfloat16", "fp8": "fp8", "int8": "fp8"}
"""A cache's type -> the package's name of it."""

Times = tuple[Array, Array]
"""Nanoseconds and evidence."""


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """Measured times of prompts `[batch, length]` and of decode steps `[batch, context, the new token included]`."""

    context: Plane | None = None
    generation: Plane | None = None


class Attentions:
    """Of one device. `window`: the sliding window of the layers that have one."""

    def __init__(self, library: Library, device: Device, window: int | None) -> None:
        self._library, self._device, self._window = library, device, window
        self._planes = cache(self._both)

    def time(self, kernel: Attention, windowed: bool) -> Times | None:
        """Nanoseconds and evidence; None when these heads were not measured."""
        heads = (kernel.heads, kernel.kv_heads, kernel.qk_dim, kernel.kv_cache)
        planes = self._planes(heads, (self._window or 0) if windowed else 0)
        return None if planes is None else attention_time(planes, kernel, self._device)

    def _both(self, heads: tuple[int, int, int, Dtype], window: int) -> Planes | None:
        context, generation = (self._plane(phase, heads, window) for phase in ("context", "generation"))
        return None if context is None or generation is None else Planes(context, generation)

    def _plane(self, phase: str, heads: tuple[int, int, int, Dtype], window: int) -> Plane | None:
        count, kv_heads, width, cache_type = heads
        name = CACHES.get(cache_type)
        if name is None:
            return None
        columns = ("num_heads", "num_key_value_heads", "batch_size", "isl" if phase == "context" else "step")
        found = self._library.rows(
            "attention", f"{phase}_attention", columns,
            ("head_dim", width), ("window_size", window), ("kv_cache_dtype", name),
        )  # fmt: skip
        groups = {} if found is None else found.groups("num_heads", "num_key_value_heads")
        part = groups.get((count, kv_heads)) or (groups.get((count, 0)) if count == kv_heads else None)
        if part is None:
            return None
        keys = part.keys.astype(float) + (0 if phase == "context" else [[0, 1]])  # `step` tokens are cached, one is new
        plane = Plane.of(keys, part.time_ns)
        return replace(plane, values=never_less(plane.values))


def attention_time(planes: Planes, kernel: Attention, device: Device) -> Times:
    """Nanoseconds and evidence of a batch.

    Chunks and decode tokens share one launch: the least that a decode step takes is taken off a batch that has both.
    """
    shape = np.broadcast_shapes(np.shape(kernel.chunk_tokens), np.shape(kernel.decodes))
    nothing: Times = np.zeros(shape), np.zeros(shape, dtype=int)
    (decode, how_decode), (chunk, how_chunk), shared = nothing, nothing, 0.0
    if planes.generation is not None:
        decode, how_decode = _decodes(planes.generation, kernel, device)
        shared = planes.generation.values[0, 0]
    if planes.context is not None:
        chunk, how_chunk = _chunks(planes.context, kernel)
    both = np.where((chunk > 0) & (decode > 0), shared, 0.0)
    return chunk + np.maximum(decode - both, 0.0), np.maximum(how_decode, how_chunk)


def _decodes(plane: Plane, kernel: Attention, device: Device) -> Times:
    """Sequences of their mean context."""
    count = np.asarray(kernel.decodes, dtype=float)
    some = count > 0
    context = np.where(some, kernel.decode_kv / np.where(some, count, 1.0), plane.y[0])
    inside = plane.within(count, context)
    time, level = plane.at(*inside)
    outside = some & ((count > plane.x[-1]) | (context > plane.y[-1]))
    if outside.any():
        time = time * np.where(outside, _beyond(kernel, device, *inside), 1.0)
        level = np.where(outside, EXTRAPOLATED, level)
    return np.where(some, time, 0.0), np.where(some, level, 0)


def _beyond(kernel: Attention, device: Device, count: Array, context: Array) -> Array:
    """The roofline's step from the border of the measurements to `kernel`'s decode tokens."""
    none = np.zeros(())
    decodes = replace(kernel, chunks=none, chunk_tokens=none, pairs=none, chunk_kv=none)
    border = replace(decodes, decodes=count, decode_kv=count * context, decode_max=context)
    far, near = (Roofline().estimate(k, device).time_ns for k in (decodes, border))
    return np.where(near > 0, far / np.where(near > 0, near, 1.0), 1.0)


def _chunks(plane: Plane, kernel: Attention) -> Times:
    """Chunks of their mean length. After cached tokens: what the whole takes beyond what the cached part took, and a launch;
    where lengths differ, in proportion to the pairs.
    """
    count = np.asarray(kernel.chunks, dtype=float)
    some = count > 0
    if not some.any():
        return np.zeros(np.shape(count)), np.zeros(np.shape(count), dtype=int)
    safe = np.where(some, count, 1.0)
    new, reach = kernel.chunk_tokens / safe, kernel.chunk_kv / safe
    before = np.maximum(reach - new, 0.0)
    whole, level = _prompts(plane, safe, np.maximum(reach, 1.0))
    cached, _ = _prompts(plane, safe, np.maximum(before, 1.0))
    floor = plane.values[0, 0]
    time = np.maximum(np.where(before > 0, whole - cached + floor, whole), floor)
    alike = safe * (new * before + new * (new + 1) / 2)
    uneven = np.where(alike > 0, kernel.pairs / np.where(alike > 0, alike, 1.0), 1.0)
    time = floor + (time - floor) * np.where(before > 0, uneven, np.maximum(uneven, 1.0))
    return np.where(some, time, 0.0), np.where(some, level, 0)


def _prompts(plane: Plane, count: Array, length: Array) -> Times:
    """Whole prompts; beyond the measurements in proportion to the pairs."""
    inside = plane.within(count, length)
    time, level = plane.at(*inside)
    outside = (length > plane.y[-1]) | (count > plane.x[-1])
    pairs = (count * length * length) / (inside[0] * inside[1] * inside[1])
    return np.where(outside, time * pairs, time), np.where(outside, EXTRAPOLATED, level)
