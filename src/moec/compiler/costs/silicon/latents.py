"""Multi-head latent attention from measured cores: queries against the latent, or prompts against expanded keys."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from moec.compiler.costs.silicon.attentions import CACHES, Planes, Times, attention_time
from moec.compiler.costs.silicon.grids import Plane, never_less
from moec.compiler.costs.silicon.library import ENGINES, Library
from moec.compiler.ir.estimate import EXTRAPOLATED
from moec.compiler.ir.kernels import Attention
from moec.dsl.schema import Device, Dtype, Mla

SHAPE = Mla(heads=128, kv_rank=512, nope_dim=128, rope_dim=64, v_dim=128)
"""The widths that were measured: DeepSeek's, with the heads of one rank. Ranks of the queries do not matter here."""

PHASES = {"decode_attention": "generation", "prefill_attention": "context"}
"""Role of an op -> phase of the tables."""


class Latents:
    """Of one device, for one attention.

    vLLM's tables have whole modules instead, timed kernel by kernel without the graphs and the fusion that an engine runs
    them with (88 us for one token on H200, of which its kernels are 50); so its cores are SGLang's, which calls the same
    libraries: FlashAttention 3 on Hopper, TensorRT-LLM's kernels on Blackwell. They count as extrapolated.
    """

    def __init__(self, library: Library, device: Device, attention: Mla) -> None:
        like = replace(attention, heads=SHAPE.heads, q_rank=SHAPE.q_rank) == SHAPE
        self._library, self._device, self._like = library, device, like
        self._planes = cache(self._plane)

    def time(self, kernel: Attention, role: str) -> Times | None:
        """Nanoseconds and evidence; None when no such attention was measured."""
        phase = PHASES.get(role)
        if not self._like or phase is None:
            return None
        for engine in (self._library.engine, *(e for e in ENGINES if e != self._library.engine)):
            plane = self._planes(phase, kernel.heads, self._cache_type(kernel, role), engine)
            if plane is not None:
                planes = Planes(context=plane) if phase == "context" else Planes(generation=plane)
                time, level = attention_time(planes, kernel, self._device)
                return time, level if engine == self._library.engine else np.maximum(level, EXTRAPOLATED)
        return None

    @staticmethod
    def _cache_type(kernel: Attention, role: str) -> Dtype:
        return kernel.kv_cache if role == "decode_attention" else "bf16"  # prompts read what was just computed

    def _plane(self, phase: str, heads: int, kv_cache: Dtype, engine: str) -> Plane | None:
        name, length = CACHES.get(kv_cache), "isl" if phase == "context" else "step"
        found = name and replace(self._library, engine=engine).rows(
            "mla", f"{phase}_mla", ("batch_size", length), ("num_heads", heads), ("kv_cache_dtype", name)
        )
        if not found:
            return None
        keys = found.keys.astype(float) + (0 if phase == "context" else [[0, 1]])
        plane = Plane.of(keys, found.time_ns)
        return replace(plane, values=never_less(plane.values))
