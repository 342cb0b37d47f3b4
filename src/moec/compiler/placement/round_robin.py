"""Expert e on rank e mod ep."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Ints
from moec.compiler.sizes.layout import layout_of
from moec.diagnostics import Diagnostic
from moec.dsl.schema import Experiment


def place(experiment: Experiment, load: NDArray[np.float64]) -> tuple[Ints | None, list[Diagnostic]]:
    """Experts are dealt out to the ranks in turn; redundant slots go on with experts 0, 1, … again."""
    layers, experts = load.shape
    slots = experts + experiment.parallelism.experts.redundant
    dealt = np.arange(slots).reshape(-1, layout_of(experiment).ep).T.ravel() % experts
    return np.broadcast_to(dealt, (layers, slots)), []
