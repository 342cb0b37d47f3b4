"""Slots that the user wrote down: a CSV of `layer_id,slot,expert_id`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Ints
from moec.compiler.sizes.parameters import is_moe_layer
from moec.diagnostics import Diagnostic
from moec.diagnostics.csv_records import Source, Table, limited, read_table, whole
from moec.dsl.schema import Experiment, Explicit

HEADERS = (("layer_id", "slot", "expert_id"), ("slot", "expert_id"))


def place(experiment: Experiment, load: NDArray[np.float64]) -> tuple[Ints | None, list[Diagnostic]]:
    """Layer `*`, or no layer column: all MoE layers. Every slot is filled once and every expert has a slot."""
    chosen, model = experiment.parallelism.experts.placement, experiment.model
    assert isinstance(chosen, Explicit)
    span = experiment.span("parallelism.experts.placement")
    source = Source(chosen.file, experiment.directory, "the placement", span, "M53")
    layers = [layer for layer in range(model.layers) if is_moe_layer(model, layer)]
    return read_slots(source, layers, load.shape[1], load.shape[1] + experiment.parallelism.experts.redundant)


def read_slots(source: Source, layers: Sequence[int], experts: int, slots: int) -> tuple[Ints | None, list[Diagnostic]]:
    """The placement `[layers, slots]`; `layers` are numbered among all layers of the model, from 0."""
    table, found = read_table(source, HEADERS)
    if table is None:
        return None, found
    placed = np.full((len(layers), slots), -1, dtype=np.int64)
    row_of = {str(layer): slice(row, row + 1) for row, layer in enumerate(layers)} | {"*": slice(None)}
    found = found + limited(_fill(placed, row_of, experts, source, table))
    if not found:
        found = limited(_incomplete(placed, layers, experts, source))
    return (None, found) if found else (placed, [])


def _fill(placed: Ints, row_of: dict[str, slice], experts: int, source: Source, table: Table) -> list[Diagnostic]:
    """Put every line into `placed`; what is wrong with some."""
    found = []
    for line, fields in table.lines:
        layer, slot_text, expert_text = fields if len(fields) == 3 else ("*", *fields)
        slot, expert = whole(slot_text), whole(expert_text)
        if layer not in row_of:
            found.append(source.at(3, line, f"layer `{layer}` is not a mixture of experts of the model, nor `*`"))
        elif slot is None or slot >= placed.shape[1]:
            found.append(source.at(3, line, f"there is no slot `{slot_text}`", f"slots are 0 to {placed.shape[1] - 1}"))
        elif expert is None or expert >= experts:
            found.append(source.at(3, line, f"there is no expert `{expert_text}`", f"experts are 0 to {experts - 1}"))
        elif np.any(placed[row_of[layer], slot] >= 0):
            found.append(source.at(4, line, f"slot {slot} was filled before", "give each slot of a layer one line"))
        else:
            placed[row_of[layer], slot] = expert
    return found


def _incomplete(placed: Ints, layers: Sequence[int], experts: int, source: Source) -> list[Diagnostic]:
    """Slots that are left empty and experts that have no slot."""
    found = []
    for layer, row in zip(layers, placed, strict=True):
        empty = np.flatnonzero(row < 0)
        homeless = np.setdiff1d(np.arange(experts), row)
        if len(empty):
            what = f"{len(empty)} of {len(row)} slots of layer {layer} are empty, the first is slot {empty[0]}"
        elif len(homeless):
            what = f"{len(homeless)} of {experts} experts of layer {layer} have no slot, the first is {homeless[0]}"
        else:
            continue
        fix = "fill slots 0 to experts + redundant − 1 in every MoE layer; each expert needs at least one"
        found.append(source.error(5, f"{source.what} `{source.name}`: {what}", fix=fix))
    return found
