"""Which placement algorithms there are, and how one is chosen."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Ints
from moec.compiler.placement.slots import Slots
from moec.compiler.sizes.layout import layout_of
from moec.diagnostics import Diagnostic
from moec.dsl.schema import Experiment

Placer = Callable[[Experiment, NDArray[np.float64]], tuple[Ints | None, list[Diagnostic]]]
"""Takes the load `[layers, experts]` of the routing law and gives the expert in each slot, `[layers, slots]`, with
slots = experts + redundant; None with at least one error."""

GROUP = "moec.placements"
"""The entry-point group in which others register a `Placer` under the name of its schema class in snake case."""

PLACERS = {
    "linear": "moec.compiler.placement.linear:place",
    "round_robin": "moec.compiler.placement.round_robin:place",
    "lpt": "moec.compiler.placement.lpt:place",
    "eplb": "moec.compiler.placement.eplb:place",
    "explicit": "moec.compiler.placement.explicit:place",
}


def place(experiment: Experiment, load: NDArray[np.float64]) -> tuple[Slots | None, list[Diagnostic]]:
    """Place the experts of every MoE layer by the plan's algorithm, for their expected `load` `[layers, experts]`.

    The plan has been checked: experts + redundant is a multiple of ep. Layers of equal load get equal placements.
    None when the algorithm found an error.
    """
    layers, experts = load.shape
    ep = layout_of(experiment).ep
    slots = experts + experiment.parallelism.experts.redundant
    if slots % ep:
        raise ValueError(f"{slots} expert slots cannot be split evenly over {ep} ranks")
    name = _snake(type(experiment.parallelism.experts.placement).__name__)
    # Equal layers are placed once; an algorithm that tells layers apart, as an explicit one may, sees all of them.
    alike = name != "explicit" and name in PLACERS and bool(np.all(load == load[:1]))
    expert, found = placer(name)(experiment, load[:1] if alike else load)
    if expert is None:
        return None, found
    return Slots(np.broadcast_to(expert, (layers, slots)), experts, ep), found


def placer(name: str) -> Placer:
    """The algorithm of that name, ours or an installed package's."""
    if name in PLACERS:
        module, _, function = PLACERS[name].partition(":")
        ours: Placer = getattr(import_module(module), function)
        return ours
    (entry,) = entry_points(group=GROUP, name=name)
    theirs: Placer = entry.load()
    return theirs


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
