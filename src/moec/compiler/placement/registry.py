"""How an experiment's placement is made.

A placement takes the experiment and the load `[layers, experts]` of the routing law and gives the expert in each slot,
`[layers, slots]` with slots = experts + redundant, and diagnostics; None with at least one error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Ints
from moec.compiler.placement.slots import Slots
from moec.compiler.sizes.layout import layout_of
from moec.diagnostics import Diagnostic
from moec.dsl.schema import Experiment, surface_name
from moec.registry import GROUPS, PLACEMENTS, maker, told, wrong


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
    name = surface_name(type(experiment.parallelism.experts.placement))
    ours = name in GROUPS[PLACEMENTS].built_in
    # Equal layers are placed once; an algorithm that tells layers apart, as an explicit one may, sees all of them.
    alike = name != "explicit" and ours and bool(np.all(load == load[:1]))
    placed = maker(PLACEMENTS, name)(experiment, load[:1] if alike else load)
    expert, found = placed if ours else _theirs(name, placed, (layers, slots), experts)
    if expert is None:
        return None, found
    return Slots(np.broadcast_to(expert, (layers, slots)), experts, ep), found


def _theirs(name: str, placed: object, shape: tuple[int, int], experts: int) -> tuple[Ints | None, list[Diagnostic]]:
    """What a placement of another package gave, looked at."""
    given, found = told(PLACEMENTS, name, placed)
    if given is None:
        return None, found
    slots = np.asarray(given)
    if slots.shape != shape or slots.dtype.kind not in "iu":
        raise wrong(PLACEMENTS, name, f"gave {slots.dtype} of {list(slots.shape)}, not whole numbers of {list(shape)}")
    if slots.min() < 0 or slots.max() >= experts:
        raise wrong(PLACEMENTS, name, f"gave expert {int(slots.max())} of a model with experts 0 to {experts - 1}")
    missing = [layer for layer, row in enumerate(slots) if len(np.unique(row)) < experts]
    if missing:
        raise wrong(PLACEMENTS, name, f"leaves out an expert of MoE layer {missing[0]}")
    return slots.astype(np.int64), found
