"""The cost model of `costs = silicon(…)`: which table answers for an op, and the roofline where none does."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.roofline import Roofline
from moec.compiler.costs.silicon.attentions import Attentions, Times
from moec.compiler.costs.silicon.latents import Latents
from moec.compiler.costs.silicon.library import Library
from moec.compiler.costs.silicon.mixtures import Mixtures, Shape
from moec.compiler.costs.silicon.package import EXTRA, READ, SHEETS, devices, installed, systems
from moec.compiler.costs.silicon.products import Products
from moec.compiler.ir.estimate import EXTRAPOLATED, INTERPOLATED, MIXED, Estimate, Evidence
from moec.compiler.ir.kernels import Attention, Elementwise, ExpertFfn, Gemm, Kernel
from moec.compiler.sizes.layout import layout_of
from moec.compiler.sizes.parameters import weight_dtype
from moec.diagnostics import Diagnostic
from moec.dsl.schema import Compute, Device, Experiment, Gqa, Mla, Model, Moe, SiliconCosts

INSIDE_EXPERTS = ("top_k", "moe_sum")
"""Ops whose time is part of the measured mixture: choosing experts, and the weighted sum of what they return."""

ONE_NODE = 8
"""Up to so many expert-parallel ranks the tokens that are passed over cost little (docs/silicon.md)."""

A_TRACE = 1.0
"""Nanoseconds of an op that is part of another's measurement; none would be an op that does not run."""


class Silicon:
    """Kernel times of one device and engine; see `products`, `mixtures`, `attentions` and `latents` for each kind."""

    def __init__(self, library: Library, device: Device, experiment: Experiment) -> None:
        model, layout = experiment.model, layout_of(experiment)
        attention = model.attention
        self._device, self._roofline = device, Roofline()
        self._measured_device = device = as_measured(device)
        self._products = Products(library, device)
        self._attentions = Attentions(library, device, attention.window if isinstance(attention, Gqa) else None)
        self._latents = Latents(library, device, attention) if isinstance(attention, Mla) else None
        self._mixtures, self._sums_inside = None, False
        if model.moe is not None:
            self._mixtures = Mixtures(library, device, _shape(experiment, model.moe, layout.ep))
            self._sums_inside = self._mixtures.time(_one_row(model, model.moe, layout.expert_tp)) is not None

    def estimate(self, kernel: Kernel, device: Device, role: str = "") -> Estimate:
        """See `CostModel`. Evidence per time; what no table answers is the roofline's."""
        model = self._roofline.estimate(kernel, device, role)
        found = self._measured(kernel, role) if device == self._device else None
        if found is None:
            return model
        work = np.asarray(model.time_ns) > 0
        time, level = found
        if self._measured_device != device:
            there = np.asarray(self._roofline.estimate(kernel, self._measured_device, role).time_ns)
            time = time * np.where(work, model.time_ns / np.where(work, there, 1.0), 1.0)
            level = np.maximum(level, EXTRAPOLATED)
        return Estimate(np.where(work, time, 0.0), model.bound, MIXED, lambda: Evidence(level))

    def _measured(self, kernel: Kernel, role: str) -> Times | None:
        match kernel:
            case Gemm():
                return self._products.time(kernel)
            case ExpertFfn():
                return self._mixtures.time(kernel) if self._mixtures else None
            case Attention():
                if self._latents is not None:
                    return self._latents.time(kernel, role)
                return self._attentions.time(kernel, role == "window_attention")
            case Elementwise():
                inside = self._sums_inside and role in INSIDE_EXPERTS
                return _within_another(np.asarray(kernel.traffic)) if inside else None
            case _:
                assert_never(kernel)


def as_measured(device: Device) -> Device:
    """The device with the bandwidth and the rates of the GPU that its tables were measured on."""
    sheet = SHEETS.get(device.silicon or "")
    if sheet is None:
        return device
    share, c = sheet.bf16 / device.compute.bf16, device.compute
    rates = {f: getattr(c, f) and getattr(c, f) * share for f in ("bf16", "fp8", "int8", "fp4", "tf32", "fp32")}
    return replace(device, bandwidth=sheet.bandwidth, compute=Compute(**rates) if share != 1 else c)


def _within_another(work: Array) -> Times:
    return np.full(work.shape, A_TRACE), np.full(work.shape, INTERPOLATED)


def _shape(experiment: Experiment, moe: Moe, ep: int) -> Shape:
    options = experiment.costs
    assert isinstance(options, SiliconCosts)
    return Shape(moe.experts, moe.top_k, ep, options.mxfp4 == "w4a8", options.tokens == "power_law")


def _one_row(model: Model, moe: Moe, expert_tp: int) -> ExpertFfn:
    """The least that a rank's experts do: whether it has a time says whether these experts were measured."""
    one, weights = np.ones(1), weight_dtype(model, "routed_experts")
    return ExpertFfn(one, one, model.hidden, moe.intermediate // expert_tp, moe.gated, weights, model.dtype.activations)


def make(experiment: Experiment) -> tuple[Silicon | Roofline | None, list[Diagnostic]]:
    """The cost model of `costs = silicon(…)`; an error without the package, and the roofline with a warning for a device without
    tables.
    """
    options = experiment.costs
    assert isinstance(options, SiliconCosts)
    library, found = library_of(experiment)
    if library is None:
        return (None if any(d.severity == "error" for d in found) else Roofline()), found
    return Silicon(library, experiment.cluster.node.device, experiment), [*found, *_gathered(experiment)]


def _gathered(experiment: Experiment) -> list[Diagnostic]:
    """M465: mixtures of wide groups were measured on all tokens of the group, of which a rank behind an all-to-all has few."""
    options, ep = experiment.costs, layout_of(experiment).ep
    assert isinstance(options, SiliconCosts)
    sends = experiment.parallelism.exchange.method == "alltoall"
    if experiment.model.moe is None or options.engine == "trtllm" or not sends or ep <= ONE_NODE:
        return []
    title = f"{options.engine}'s mixtures for {ep} expert-parallel ranks were measured on kernels that get the tokens of all of them"
    label = "a rank gets its own rows only, so the experts take too long"
    help = "`method = allgather_reducescatter` is what was measured; for an all-to-all take `costs = roofline()`"
    span = experiment.span("parallelism.exchange.method")
    return [Diagnostic("M465", title, span, label, help=help, severity="warning")]


def library_of(experiment: Experiment) -> tuple[Library | None, list[Diagnostic]]:
    """The tables of the experiment's device and engine; None, with what to say, when there are none."""
    options, root = experiment.costs, systems()
    if not isinstance(options, SiliconCosts):
        return None, []
    span, device = experiment.span("costs"), experiment.cluster.node.device
    if root is None:
        title = "the kernel tables of `silicon` are not installed"
        help = f"`pip install '{EXTRA}'`, or take `costs = roofline()`"
        return None, [Diagnostic("M661", title, span, "needs the package aiconfigurator-core", help=help)]
    found = _about_version(experiment)
    if device.silicon is None:
        title = "the device names no kernel tables, so all times are modelled"
        help = f"`silicon = …` of a device names its tables: {_known()}"
        where = experiment.span("cluster.node.device") or span
        return None, [*found, Diagnostic("M462", title, where, "as by `roofline()`", help=help, severity="warning")]
    library = Library(root, device.silicon, options.engine)
    if not library.exists:
        title = f"there are no kernel tables of {options.engine} on `{device.silicon}`, so all times are modelled"
        help = f"devices with tables: {_known()}"
        where = experiment.span("cluster.node.device.silicon") or span
        return None, [*found, Diagnostic("M463", title, where, "as by `roofline()`", help=help, severity="warning")]
    return library, found


def _known() -> str:
    return ", ".join(f"`{name}`" for name in devices())


def _about_version(experiment: Experiment) -> list[Diagnostic]:
    have = installed()
    if have in (READ, None):
        return []
    title = f"aiconfigurator-core {have} is installed; its tables are read as those of {READ}"
    help = f"`pip install aiconfigurator-core=={READ}` is what the reader was checked against"
    return [Diagnostic("M464", title, experiment.span("costs"), "read from it", help=help, severity="warning")]
