"""Longest processing time first: the hottest expert to the least loaded rank that has room."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Ints
from moec.compiler.placement.linear import in_order
from moec.compiler.placement.packing import arrange, pack, per_copy, replicate
from moec.compiler.placement.slots import Slots
from moec.compiler.sizes.layout import layout_of
from moec.diagnostics import Diagnostic
from moec.dsl.schema import Experiment


def place(experiment: Experiment, load: NDArray[np.float64]) -> tuple[Ints | None, list[Diagnostic]]:
    """By the expected load of the routing law; redundant slots first go to copies of the hottest experts."""
    return balance(load, experiment.parallelism.experts.redundant, layout_of(experiment).ep), []


def balance(load: NDArray[np.float64], redundant: int, ep: int) -> Ints:
    """The placement `[layers, experts + redundant]`, equally many slots on each of `ep` ranks.

    The greedy rule is within a third of the best (Graham 1969), not always better than chance: a layer that linear
    placement balances better stays linear.
    """
    experts = load.shape[1]
    weight = load.astype(np.float32)
    copy = replicate(weight, experts + redundant)
    rank, position = pack(per_copy(weight, copy), ep)
    greedy, plain = arrange(copy, rank, position, ep), in_order(load, redundant)
    worst = [Slots(slots, experts, ep).load(load).max(axis=1) for slots in (greedy, plain)]
    return np.where((worst[0] <= worst[1])[:, None], greedy, plain)
