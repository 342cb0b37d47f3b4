"""The measurements of one tensor-parallel degree, ready to be looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.profile.bundle_files import Rows
from moec.compiler.costs.profile.curve import Curve
from moec.compiler.costs.profile.grid import Grid
from moec.compiler.costs.profile.plane import Plane
from moec.compiler.costs.profile.skew import Skew

NS = 1e3
"""Nanoseconds in a microsecond."""


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """`layers`: curves over tokens or sequences by the profile's layer names; the others are None where it has none."""

    layers: Mapping[str, Curve]
    attention: Grid | None = None
    experts: Plane | None = None
    skew: Skew | None = None


def tables_of(rows: Mapping[str, Rows], alpha: float) -> Tables:
    """From the rows of the files by name; `alpha` is the fit's default."""
    layers = {
        name: Curve(axis, points, times * NS)
        for file, axis in (("dense.csv", "tokens"), ("per_sequence.csv", "sequences"))
        if file in rows
        for name, points, times in rows[file].layers()
    }
    attention = experts = skew = None
    if "attention.csv" in rows:
        attention = Grid.of(rows["attention.csv"].numbers() * np.array([1, 1, 1, 1, NS]))
    if "moe.csv" in rows:
        tokens, active, times = rows["moe.csv"].numbers().T
        experts = Plane.of(tokens, active, times * NS)
    if "skew_fit.csv" in rows:
        skew = Skew.of([(*key[:5], value) for key, (value, _) in rows["skew_fit.csv"].by_key.items()], alpha)  # type: ignore[misc]
    return Tables(layers, attention, experts, skew)


def pack(tables: Tables) -> dict[str, Array]:
    """As named arrays."""
    found: dict[str, Array] = {}
    for name, curve in tables.layers.items():
        found[f"layer {curve.axis} {name}"] = np.stack((curve.points, curve.times))
    for part in ("attention", "experts", "skew"):
        value = getattr(tables, part)
        if value is not None:
            found |= {f"{part} {f.name}": getattr(value, f.name) for f in fields(value)}
    return found


def unpack(arrays: Mapping[str, Array]) -> Tables:
    """The inverse of `pack`; KeyError or ValueError if the arrays are something else."""
    layers: dict[str, Curve] = {}
    parts: dict[str, dict[str, Array]] = {}
    for name, array in arrays.items():
        part, inner = name.split(" ", 1)
        if part == "layer":
            axis, layer = inner.split(" ", 1)
            points, times = array
            layers[layer] = Curve(axis, points, times)
        else:
            parts.setdefault(part, {})[inner] = array
    made = {part: cls(**parts[part]) for part, cls in _PARTS.items() if part in parts}
    return Tables(layers, **made)


_PARTS: Mapping[str, type] = {"attention": Grid, "experts": Plane, "skew": Skew}
