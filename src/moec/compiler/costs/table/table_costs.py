"""The cost model of `table(…)`: measured layers where the table has them, the roofline where it has not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.measured import measured
from moec.compiler.costs.mixture import small_kernels
from moec.compiler.costs.roofline import Roofline
from moec.compiler.costs.table.layer_curves import AttentionCurves, Curves, curves_of
from moec.compiler.costs.table.layers import EXPERTS, LAYERS, SHARED
from moec.compiler.costs.table.rows import FAMILY, read_rows
from moec.compiler.ir.estimate import EXTRAPOLATED, Beyond, Estimate, Evidence
from moec.compiler.ir.kernels import Attention, Elementwise, ExpertFfn, Gemm, Kernel
from moec.compiler.sizes.layout import layout_of
from moec.diagnostics import Diagnostic
from moec.diagnostics.csv_records import Source
from moec.dsl.schema import Device, Experiment, Gqa, Model, TableCosts

PARTS = {"shared_gate_up_proj": 0, "shared_up_proj": 0, "shared_act": 1, "shared_down_proj": 2}
"""The shared expert's ops, which the table timed as one layer."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerTable:
    """Times of `curves`. `layers`: the layer of each op that has one; `model`: whose mixture was measured."""

    curves: Curves
    layers: Mapping[str, str]
    model: Model
    rest: Roofline

    def estimate(self, kernel: Kernel, device: Device, role: str = "") -> Estimate:
        """The time of `kernel`; 0 where there is no work."""
        match kernel:
            case Gemm(m=rows) | Elementwise(rows=rows) if role in self.layers and rows is not None:
                return self._layer(kernel, device, self.layers[role], np.asarray(rows, dtype=float))
            case Gemm(m=rows) | Elementwise(rows=rows) if (
                role in PARTS and SHARED in self.curves.layers and rows is not None
            ):
                return self._shared(kernel, device, PARTS[role], np.asarray(rows, dtype=float))
            case ExpertFfn(rows=rows) if role == "experts" and EXPERTS in self.curves.layers and self.model.moe:
                return self._layer(kernel, device, EXPERTS, np.asarray(rows, dtype=float) / self.model.moe.top_k)
            case Attention() if role == "attention" and self.curves.attention is not None:
                return self._attention(kernel, device, self.curves.attention)
            case _:
                return self.rest.estimate(kernel, device, role)

    def _layer(self, kernel: Kernel, device: Device, layer: str, tokens: Array, share: Array | float = 1.0) -> Estimate:
        curve = self.curves.layers[layer]
        time = np.where(tokens > 0, curve.at(tokens) * share, 0.0)
        return measured(kernel, device, time, partial(curve.evidence, tokens))

    def _shared(self, kernel: Kernel, device: Device, part: int, tokens: Array) -> Estimate:
        """A part of the shared expert's time, as large as the roofline's part."""
        assert self.model.moe is not None
        kernels = small_kernels(self.model, self.model.moe, np.maximum(tokens, 1))[-3:]
        times = [self.rest.estimate(each, device).time_ns for each in kernels]
        return self._layer(kernel, device, SHARED, tokens, times[part] / sum(times))

    def _attention(self, kernel: Attention, device: Device, curves: AttentionCurves) -> Estimate:
        """One request after the other, as they were measured; prompts of the mean length, by their query–key pairs."""
        names = (kernel.chunks, kernel.chunk_tokens, kernel.pairs, kernel.decodes, kernel.decode_kv)
        chunks, tokens, pairs, decodes, total = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in names))
        mean = tokens / np.maximum(chunks, 1)
        fresh = np.maximum(chunks * mean * (mean + 1) / 2, 1)
        context = np.maximum(total / np.maximum(decodes, 1) - 1, 0)
        prompts = np.where(chunks > 0, chunks * curves.alone.at(mean) * pairs / fresh, 0.0)
        time = prompts + np.where(decodes > 0, decodes * curves.cached.at(context), 0.0)
        before = np.where(chunks > 0, (pairs - fresh) / np.maximum(tokens, 1), 0.0)
        return measured(kernel, device, time, partial(_grade, curves, chunks + decodes, mean, before, context))


def _grade(curves: AttentionCurves, requests: Array, prompt: Array, before: Array, context: Array) -> Evidence:
    """One request at a time was measured, and no prompt with anything cached before it."""
    kinds = curves.alone.evidence(prompt), curves.cached.evidence(context)
    level = np.where(prompt > 0, kinds[0].level, kinds[1].level)
    several = (requests > 1) | (before > 0)
    mine = (
        Beyond("requests attended to at once", 1.0, requests),
        Beyond("tokens cached before a prompt", 0.0, before),
    )
    bounds = (*mine, *(b for kind in kinds for b in kind.beyond if not b.below))
    return Evidence(np.where(several, EXTRAPOLATED, level), bounds)


def make(experiment: Experiment) -> tuple[LayerTable | None, list[Diagnostic]]:
    """The cost model of `costs = table("FILE.csv")`; warnings say what the table repeats, contains twice or lacks."""
    assert isinstance(experiment.costs, TableCosts), "the costs are a table"
    directory = experiment.directory
    shown = os.path.relpath(experiment.costs.file, directory)
    source = Source(shown, directory, "the table", experiment.span("costs.file"), FAMILY)
    tp = layout_of(experiment).tp
    if tp > 1:
        title = f"{source.what} `{shown}` has the times of whole layers, the plan splits them over {tp} devices"
        return None, [source.error(4, title, fix="use `tp = 1`, or `costs = profile(…)` of that degree")]
    rows, found = read_rows(source)
    if rows is None:
        return None, found
    curves, said = curves_of(rows)
    table = LayerTable(curves, _layers(experiment, curves), experiment.model, Roofline())
    said.append((6, f"has no times for {', '.join(_lacking(experiment, table))}", "these come from `roofline()`"))
    return table, [
        replace(source.error(digit, f"{source.what} `{shown}` {text}", fix=fix), severity="warning")
        for digit, text, fix in said
    ]


def _layers(experiment: Experiment, curves: Curves) -> dict[str, str]:
    """Op -> layer, of those that the table has. Of a mixture, `mlp/…` are the shared expert's."""
    others = {"mlp/fc", "mlp/gelu", "mlp/proj"} if experiment.model.moe is not None else set()
    return {op: layer for op, layer in LAYERS.items() if layer in curves.layers and layer not in others}


def _lacking(experiment: Experiment, table: LayerTable) -> list[str]:
    """The ops of the model that are left to the roofline."""
    model, gated = experiment.model, experiment.model.ffn is None or experiment.model.ffn.gated
    ffn = {"gate_up_proj", "act", "down_proj"} if gated else {"up_proj", "act", "down_proj"}
    wanted = set(LAYERS) - {"router", "up_proj", "gate_up_proj", "act", "down_proj"}
    wanted |= ffn if model.ffn is not None else set()
    wanted |= {"router"} if model.moe is not None else set()
    wanted -= set() if isinstance(model.attention, Gqa) else {"qkv_proj", "rope"}
    found = [f"`{op}`" for op in LAYERS if op in wanted and op not in table.layers]
    found += ["`attention`"] * (table.curves.attention is None or not isinstance(model.attention, Gqa))
    if model.moe is not None:
        found += ["`experts`"] * (EXPERTS not in table.curves.layers) + ["`top_k`", "`moe_sum`"]
        found += ["the shared expert"] * (model.moe.shared > 0 and SHARED not in table.curves.layers)
    return [*found, "`sample`"]
