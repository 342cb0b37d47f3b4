"""Consecutive experts on consecutive ranks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Ints
from moec.diagnostics import Diagnostic
from moec.dsl.schema import Experiment


def place(experiment: Experiment, load: NDArray[np.float64]) -> tuple[Ints | None, list[Diagnostic]]:
    """Slot s holds expert s; redundant slots follow with experts 0, 1, … again."""
    return in_order(load, experiment.parallelism.experts.redundant), []


def in_order(load: NDArray[np.float64], redundant: int) -> Ints:
    """The placement `[layers, experts + redundant]` for the shape of `load`; the figures in it do not matter."""
    layers, experts = load.shape
    return np.broadcast_to(np.arange(experts + redundant) % experts, (layers, experts + redundant))
