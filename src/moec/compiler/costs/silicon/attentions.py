"""Attention over a paged cache from measured batches: prompts, decode steps, and both in one batch."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from moec.compiler.costs.base import EXTRAPOLATED
from moec.compiler.costs.roofline import Roofline
from moec.compiler.costs.silicon.grids import Plane, never_less
from moec.compiler.costs.silicon.library import Library
from moec.compiler.kernels import Array, Attention
from moec.dsl.schema import Device, Dtype

CACHES: dict[Dtype, str] = {"bf16": "bfloat16", "fp16": "bfloat16", "fp8": "fp8", "int8": "fp8"}
"""A cache's type -> the package's name of it."""

Times = tuple[Array, Array]
"""Nanoseconds and evidence."""


class Attentions:
    """Of one device. `window`: the sliding window of the layers that have one."""

    def __init__(self, library: Library, device: Device, window: int | None) -> None:
        self._library, self._device, self._window, self._roofline = library, device, window, Roofline()
        self._planes = cache(self._plane)

    def time(self, kernel: Attention, windowed: bool) -> Times | None:
        """Nanoseconds and evidence; None when these heads were not measured.

        Chunks and decode tokens share one launch: the least that a decode step takes is taken off a batch that has both.
        """
        window = (self._window or 0) if windowed else 0
        steps, prompts = (
            self._planes("generation", _heads(kernel), window),
            self._planes("context", _heads(kernel), window),
        )
        if steps is None or prompts is None:
            return None
        decode, how_decode = self._decodes(steps, kernel)
        chunk, how_chunk = self._chunks(prompts, kernel)
        shared = np.where((chunk > 0) & (decode > 0), steps.values[0, 0], 0.0)
        return chunk + np.maximum(decode - shared, 0.0), np.maximum(how_decode, how_chunk)

    def _decodes(self, plane: Plane, kernel: Attention) -> Times:
        """Sequences of their mean context."""
        count = np.asarray(kernel.decodes, dtype=float)
        some = count > 0
        context = np.where(some, kernel.decode_kv / np.where(some, count, 1.0), plane.y[0])
        time, level = plane.at(*plane.within(count, context))
        outside = some & ((count > plane.x[-1]) | (context > plane.y[-1]))
        if outside.any():
            time = time * np.where(outside, self._beyond(kernel, *plane.within(count, context)), 1.0)
            level = np.where(outside, EXTRAPOLATED, level)
        return np.where(some, time, 0.0), np.where(some, level, 0)

    def _beyond(self, kernel: Attention, count: Array, context: Array) -> Array:
        """The roofline's step from the border of the measurements to `kernel`'s decode tokens."""
        none = np.zeros(())
        decodes = replace(kernel, chunks=none, chunk_tokens=none, pairs=none, chunk_kv=none)
        border = replace(decodes, decodes=count, decode_kv=count * context, decode_max=context)
        far, near = (self._roofline.estimate(k, self._device).time_ns for k in (decodes, border))
        return np.where(near > 0, far / np.where(near > 0, near, 1.0), 1.0)

    def _chunks(self, plane: Plane, kernel: Attention) -> Times:
        """Chunks of their mean length. After cached tokens: what the whole takes beyond what the cached part took, and a
        launch; where lengths differ, in proportion to the pairs.
        """
        count = np.asarray(kernel.chunks, dtype=float)
        some = count > 0
        if not some.any():
            return np.zeros(np.shape(count)), np.zeros(np.shape(count), dtype=int)
        safe = np.where(some, count, 1.0)
        new, reach = kernel.chunk_tokens / safe, kernel.chunk_kv / safe
        before = np.maximum(reach - new, 0.0)
        whole, level = self._prompts(plane, safe, np.maximum(reach, 1.0))
        cached, _ = self._prompts(plane, safe, np.maximum(before, 1.0))
        floor = plane.values[0, 0]
        time = np.maximum(np.where(before > 0, whole - cached + floor, whole), floor)
        alike = safe * (new * before + new * (new + 1) / 2)
        uneven = np.where(alike > 0, kernel.pairs / np.where(alike > 0, alike, 1.0), 1.0)
        time = floor + (time - floor) * np.where(before > 0, uneven, np.maximum(uneven, 1.0))
        return np.where(some, time, 0.0), np.where(some, level, 0)

    def _prompts(self, plane: Plane, count: Array, length: Array) -> Times:
        inside = plane.within(count, length)
        time, level = plane.at(*inside)
        outside = (length > plane.y[-1]) | (count > plane.x[-1])
        pairs = (count * length * length) / (inside[0] * inside[1] * inside[1])
        return np.where(outside, time * pairs, time), np.where(outside, EXTRAPOLATED, level)

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


def _heads(kernel: Attention) -> tuple[int, int, int, Dtype]:
    return kernel.heads, kernel.kv_heads, kernel.qk_dim, kernel.kv_cache
