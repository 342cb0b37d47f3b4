"""The default cost model: device peaks × efficiency curves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.curves import (
    Curves,
    Terms,
    decode_terms,
    elementwise_terms,
    experts_terms,
    gemm_terms,
    prefill_terms,
)
from moec.compiler.ir.estimate import Estimate
from moec.compiler.ir.kernels import Attention, Elementwise, ExpertFfn, Gemm, Kernel
from moec.diagnostics import Diagnostic
from moec.dsl.schema import Device, Experiment


@dataclass(frozen=True, slots=True)
class Roofline:
    """time = start + √(memory² + compute²), all in nanoseconds; see `curves` for the terms."""

    curves: Curves = field(default_factory=Curves)

    def estimate(self, kernel: Kernel, device: Device, role: str = "") -> Estimate:
        """The time of `kernel`, an array of the broadcast shape of its counts; exactly 0 where there is no work."""
        match kernel:
            case Gemm():
                return _estimate(gemm_terms(kernel, device, self.curves), np.asarray(kernel.m) > 0)
            case ExpertFfn():
                return _estimate(experts_terms(kernel, device, self.curves), np.asarray(kernel.rows) > 0)
            case Elementwise():
                return _estimate(elementwise_terms(kernel, device, self.curves), np.asarray(kernel.traffic) > 0)
            case Attention():
                return self._attention(kernel, device)
            case _:
                assert_never(kernel)

    def _attention(self, kernel: Attention, device: Device) -> Estimate:
        """Chunks and decode tokens share one start and follow each other.

        Decode kernels, which do nothing but stream, come nearer to the larger of the two terms: its fourth power.
        """
        chunks = prefill_terms(kernel, device, self.curves)
        decodes = decode_terms(kernel, device, self.curves)
        streamed = np.sqrt(np.hypot(decodes.memory**2, decodes.compute**2))
        busy = np.hypot(chunks.memory, chunks.compute) + streamed
        start = self.curves.attention_start + chunks.start + decodes.start
        work = (np.asarray(kernel.chunk_tokens) > 0) | (np.asarray(kernel.decodes) > 0)
        terms = Terms(start, chunks.memory + decodes.memory, chunks.compute + decodes.compute)
        return _finish(terms, start + busy, work)


def make(experiment: Experiment) -> tuple[Roofline, list[Diagnostic]]:
    """The cost model of `costs = roofline()`."""
    return Roofline(), []


def _estimate(terms: Terms, work: Array) -> Estimate:
    return _finish(terms, terms.start + np.hypot(terms.memory, terms.compute), work)


def _finish(terms: Terms, time: Array, work: Array) -> Estimate:
    """Zero without work; the bound is the largest of the three terms."""
    arithmetic = terms.compute > terms.memory
    bound = np.where(np.maximum(terms.memory, terms.compute) < terms.start, 2, np.where(arithmetic, 0, 1))
    return Estimate(np.where(work, time, 0.0), bound, "modelled")
