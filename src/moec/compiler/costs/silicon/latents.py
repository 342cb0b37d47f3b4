"""Multi-head latent attention from measured modules, less the products that are ops of their own."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from moec.compiler.costs.silicon.attentions import CACHES, Attentions, Times
from moec.compiler.costs.silicon.grids import Plane, never_less
from moec.compiler.costs.silicon.library import Library
from moec.compiler.costs.silicon.products import Products
from moec.compiler.kernels import Array, Attention, Gemm
from moec.dsl.schema import Device, Mla

MEASURED = Mla(heads=128, kv_rank=512, nope_dim=128, rope_dim=64, v_dim=128, q_rank=1536)
HIDDEN = 7168
"""The modules in the tables are DeepSeek-V3's (`model` in the table), with the heads of one rank."""

PHASES = {"decode_attention": "generation", "prefill_attention": "context"}
"""Role of an op -> phase of the tables."""


class Latents:
    """Of one device, for one attention. An op gets what the module takes beyond its products in 16 bits: norms, rotary, writing
    the cache and the attention itself.
    """

    def __init__(self, library: Library, device: Device, attention: Mla, hidden: int) -> None:
        like = (hidden, replace(attention, heads=MEASURED.heads)) == (HIDDEN, MEASURED)
        self._library, self._like, self._products = library, like, Products(library, device)
        self._attentions = Attentions(library, device, None)
        self._planes = cache(self._plane)

    def covers(self, heads: int, kv_cache: str) -> bool:
        """Whether modules with so many heads on a rank were measured."""
        return self._like and all(self._planes(phase, heads, kv_cache) is not None for phase in PHASES.values())

    def time(self, kernel: Attention, role: str) -> Times | None:
        """Nanoseconds and evidence; None when no such module was measured."""
        phase = PHASES.get(role)
        plane = self._planes(phase, kernel.heads, kernel.kv_cache) if self._like and phase else None
        if plane is None:
            return None
        part = self._attentions._decodes if role == "decode_attention" else self._attentions._chunks
        return part(plane, kernel)

    def _plane(self, phase: str, heads: int, kv_cache: str) -> Plane | None:
        name = CACHES.get(kv_cache)  # type: ignore[call-overload]
        length = "isl" if phase == "context" else "step"
        found = name and self._library.rows(
            "mla", f"mla_{phase}_module", ("batch_size", length),
            ("num_heads", heads), ("kv_cache_dtype", name), ("gemm_type", "bfloat16"),
        )  # fmt: skip
        if not found:
            return None
        tokens = found.keys[:, 0] * (found.keys[:, 1] if phase == "context" else 1)
        spent = self._spent(phase, heads, tokens.astype(float))
        if spent is None:
            return None
        # the products were measured one by one, the module with some of them side by side: a tenth of it is left in any case
        rest = np.maximum(found.time_ns - spent, 0.1 * found.time_ns)
        plane = Plane.of(found.keys.astype(float), rest)
        return replace(plane, values=never_less(plane.values))

    def _spent(self, phase: str, heads: int, tokens: Array) -> Array | None:
        """On the module's products."""
        a = MEASURED
        wide = [
            (a.q_rank + a.kv_rank + a.rope_dim, HIDDEN),
            (heads * (a.nope_dim + a.rope_dim), a.q_rank),
            (HIDDEN, heads * a.v_dim),
        ]
        if phase == "context":
            wide.append((heads * (a.nope_dim + a.v_dim), a.kv_rank))
        kernels = [Gemm(tokens, n, k, "bf16", "bf16") for n, k in wide]
        if phase == "generation":
            kernels += [
                Gemm(tokens, n, k, "bf16", "bf16", heads) for n, k in ((a.kv_rank, a.nope_dim), (a.v_dim, a.kv_rank))
            ]
        times = [self._products.time(kernel) for kernel in kernels]
        return None if any(t is None for t in times) else sum(t[0] for t in times if t is not None)  # type: ignore[return-value]
