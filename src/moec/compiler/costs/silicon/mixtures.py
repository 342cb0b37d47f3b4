"""Routed experts from measured mixtures: the time of touching so many experts, and of so many rows more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.roofline import Roofline
from moec.compiler.costs.silicon.grids import Line, never_less
from moec.compiler.costs.silicon.library import ENGINES, Library
from moec.compiler.ir.estimate import EXTRAPOLATED, INTERPOLATED, MEASURED
from moec.compiler.ir.kernels import ExpertFfn
from moec.dsl.schema import Device, Dtype

NAMES: dict[Dtype, tuple[str, ...]] = {
    "bf16": ("bfloat16",),
    "fp16": ("bfloat16",),
    "fp8": ("fp8_block", "fp8"),
    "fp4": ("nvfp4",),
    "mxfp4": ("w4a16_mxfp4",),  # or `EIGHT_BITS`
    "int4": ("int4_wo",),
}
"""A weight type -> the package's names of it, the first that has the shape: published models in eight bits have a scale for every
128 × 128 weights, and the kernels with a single scale are slower than 16 bits on Hopper.
"""

EIGHT_BITS = ("w4a8_mxfp4_mxfp8",)
"""What mxfp4 is called where activations are converted to mxfp8 (vLLM: VLLM_USE_FLASHINFER_MOE_MXFP4_MXFP8)."""

COLUMNS = ("hidden_size", "topk", "num_experts", "inter_size", "moe_tp_size", "moe_ep_size", "num_tokens")


@dataclass(frozen=True, slots=True)
class Shape:
    """The mixture that an experiment runs: routed experts and how many a token visits, and the ranks that hold them."""

    experts: int
    top_k: int
    ep: int
    eight_bits: bool = False
    """mxfp4 experts multiply activations in mxfp8."""
    skewed: bool = False
    """Take the times of tokens dealt out by a power law."""


@dataclass(frozen=True, slots=True)
class Group:
    """What one curve of the table was measured for. `width`: an expert's on this rank."""

    hidden: int
    top_k: int
    experts: int
    width: int
    ep: int

    @property
    def held(self) -> float:
        """Experts on a rank."""
        return self.experts / self.ep


class Mixtures:
    """Of one device, for one mixture.

    The table has the times of T tokens of an expert-parallel *group* that are dealt out evenly: a rank computes T·k/ep rows and
    touches min(T·k, E)/ep experts. So T·k ≤ E measures touched experts, one row each, and more tokens measure rows; a batch that
    touches `active` experts with `rows` rows takes the first at `active`, and as much more as the rows beyond one per expert did.
    """

    def __init__(self, library: Library, device: Device, shape: Shape) -> None:
        self._library, self._device, self._shape, self._roofline = library, device, shape, Roofline()
        self._curves = cache(self._curves_of)

    def time(self, kernel: ExpertFfn) -> tuple[Array, Array] | None:
        """Nanoseconds and evidence, of the broadcast shape of rows and active; None when nothing alike was measured."""
        names = EIGHT_BITS if kernel.weights == "mxfp4" and self._shape.eight_bits else NAMES.get(kernel.weights, ())
        mine = self._library.engine
        for engine in (mine, *(e for e in ENGINES if e != mine)):
            for name in names:
                curves = self._curves(name, engine)
                group = min(curves, key=lambda g: self._distance(g, kernel), default=None)
                if group is not None and np.isfinite(self._distance(group, kernel)):
                    time, level = self._along(group, curves[group], kernel)
                    return time, level if engine == mine else np.maximum(level, EXTRAPOLATED)
        return None

    def _distance(self, group: Group, kernel: ExpertFfn) -> float:
        """How far a measured group is from what runs; infinite when rows would not compare."""
        if group.hidden != kernel.hidden or group.top_k != self._shape.top_k:
            return float("inf")
        mine = self._shape.experts / self._shape.ep
        far = abs(np.log(group.width / kernel.intermediate)) + abs(np.log(group.held / mine))
        return float(far) + 1e-6 * abs(np.log(group.ep / self._shape.ep)) if far < np.log(4.5) else float("inf")

    def _along(self, group: Group, curve: Line, kernel: ExpertFfn) -> tuple[Array, Array]:
        rows, active = np.broadcast_arrays(np.asarray(kernel.rows, dtype=float), np.asarray(kernel.active, dtype=float))
        per_token, full = group.top_k / group.ep, group.experts / group.top_k
        exact = group.width == kernel.intermediate and group.held == self._shape.experts / self._shape.ep
        scale, touched = np.ones(()), active
        if not exact:  # as many rows, and the same share of the experts
            touched = active * (group.held * self._shape.ep / self._shape.experts)
            scale = self._moved(group, kernel, rows, active, touched)
        few, many = touched / per_token, rows / per_token
        if self._shape.skewed:
            few = np.minimum(many, full)  # the measurement has touched what such tokens touch
        time = curve.at(few) + curve.at(many) - curve.at(np.minimum(many, full))
        level = np.maximum(curve.level(many), np.where(few == np.minimum(many, full), MEASURED, INTERPOLATED))
        beyond = many > curve.points[-1]
        if beyond.any():
            time = time * np.where(beyond, many / curve.points[-1], 1.0)
        level = np.where(many < curve.points[0], INTERPOLATED, level)  # a share of a token: between nothing and one
        return time * scale, level if exact else np.full(rows.shape, EXTRAPOLATED)

    def _moved(self, group: Group, kernel: ExpertFfn, rows: Array, active: Array, touched: Array) -> Array:
        """What the roofline says of the step from the measured group to what runs."""
        there = ExpertFfn(rows, touched, group.hidden, group.width, kernel.gated, kernel.weights, kernel.activations)
        here, measured = (self._roofline.estimate(k, self._device).time_ns for k in (kernel, there))
        return np.where(measured > 0, here / np.where(measured > 0, measured, 1.0), 1.0)

    def _curves_of(self, name: str, engine: str) -> dict[Group, Line]:
        found = replace(self._library, engine=engine).rows(
            "moe",
            "moe",
            COLUMNS,
            ("moe_dtype", name),
            ("distribution", "power_law_1.2" if self._shape.skewed else "balanced"),
        )
        if found is None:
            return {}
        curves = {}
        for (hidden, top_k, experts, inter, tp, ep), part in found.groups(*COLUMNS[:-1]).items():
            line = Line(part.keys[:, 0].astype(float), never_less(part.time_ns))
            curves[Group(hidden, top_k, experts, inter // tp, ep)] = line
        return curves
