"""Iterations in which KV blocks go to host memory and come back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from moec.compiler.ir.batch import Load, load_of
from moec.dsl.schema import Experiment, KvCache, Model
from support.cases import GPU, MIXTURE, experiment, random_batch

LINK = 50e9
"""Bytes per second between a device and its host."""


def swapping(model: Model = MIXTURE, **plan: object) -> Experiment:
    """An experiment that swaps."""
    e = experiment(model, device=replace(GPU, host=LINK), **plan)  # type: ignore[arg-type]
    return replace(e, serving=replace(e.serving, kv_cache=KvCache(preemption="swap")))


def batch_load(dp: int, seed: int = 1) -> Load:
    """The load of a random batch."""
    return load_of(random_batch(np.random.default_rng(seed), dp))


def moving(load: Load, out: list[float], back: list[float], *, window: float = 1.0) -> Load:
    """The load with token slots that move per attention-DP rank, a share `window` of them in windowed layers."""
    gone, here = np.array(out, float), np.array(back, float)
    return replace(
        load, swapped_out=gone, swapped_in=here, swapped_out_window=gone * window, swapped_in_window=here * window
    )
