"""The cost model of `profile(…)`: measured where the profile has it, the roofline where it has not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.measured import measured
from moec.compiler.costs.mixture import small_kernels
from moec.compiler.costs.profile.attention import MeasuredAttention
from moec.compiler.costs.profile.bundle import Bundle, find
from moec.compiler.costs.profile.bundle_files import FILES, Rows, read_file
from moec.compiler.costs.profile.layers import ATTENTION, EXPERTS, Calls, wanted
from moec.compiler.costs.profile.measurements import Tables, tables_of
from moec.compiler.costs.profile.parsed_cache import keep, key_of, recall
from moec.compiler.costs.roofline import Roofline
from moec.compiler.ir.estimate import Estimate
from moec.compiler.ir.kernels import Attention, Elementwise, ExpertFfn, Gemm, Kernel
from moec.compiler.sizes.layout import layout_of
from moec.diagnostics import Diagnostic, has_errors
from moec.dsl.schema import Device, Experiment, Gqa, Model, ProfileCosts

ATTENTION_KERNELS = 2
"""New keys and values go to the cache, then the attention itself."""

MIXTURE_KERNELS = 7
"""Router, top-k, the four kernels of the grouped experts and the weighted sum."""

LEAST = 0.1
"""What the grouped experts take of their block, at least, whatever its small kernels are modelled to take."""


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Times of `tables`. `calls`: the measured layers of each op it has; `model`: whose mixture `moe.csv` measured, None
    when its experts are not these. `gap_ns` follows every measured kernel.
    """

    tables: Tables
    calls: Mapping[str, Calls]
    attention: MeasuredAttention | None
    model: Model | None
    rest: Roofline
    gap_ns: float = 0.0

    def estimate(self, kernel: Kernel, device: Device, role: str = "") -> Estimate:
        """The time of `kernel`; 0 where there is no work."""
        match kernel:
            case Gemm(m=rows, batch=1) if role in self.calls:
                return self._layers(kernel, device, self.calls[role], np.asarray(rows, dtype=float))
            case Elementwise(rows=rows) if role in self.calls and rows is not None:
                return self._layers(kernel, device, self.calls[role], np.asarray(rows, dtype=float))
            case Attention() if role == ATTENTION and self.attention is not None:
                alone, batch = self.attention.time_ns(kernel)
                time = self._spaced(alone, ATTENTION_KERNELS)
                return measured(kernel, device, time, partial(self.attention.evidence, batch))
            case ExpertFfn() if role == EXPERTS and self.model is not None:
                return self._experts(kernel, device, self.model)
            case _:
                return self.rest.estimate(kernel, device, role)

    def _layers(self, kernel: Kernel, device: Device, calls: Calls, counts: Array) -> Estimate:
        time: Array = np.zeros(())
        for layer, times in calls:
            time = time + times * self.tables.layers[layer].at(counts)
        grade = partial(self.tables.layers[calls[0][0]].evidence, counts)
        spaced = self._spaced(np.where(counts > 0, time, 0.0), sum(times for _, times in calls))
        return measured(kernel, device, spaced, grade)

    def _experts(self, kernel: ExpertFfn, device: Device, model: Model) -> Estimate:
        """The measured block without the small kernels that it holds besides, which are ops of their own.

        A rank's token–expert pairs are as many tokens' as there are pairs for each.
        """
        assert self.tables.experts is not None and model.moe is not None
        rows, active = np.broadcast_arrays(np.asarray(kernel.rows, dtype=float), np.asarray(kernel.active, dtype=float))
        tokens = rows / model.moe.top_k
        block = self.tables.experts.at(tokens, active)
        small = sum(self.rest.estimate(part, device).time_ns for part in small_kernels(model, model.moe, tokens))
        time = self._spaced(np.where(rows > 0, np.maximum(block - small, LEAST * block), 0.0), MIXTURE_KERNELS)
        return measured(kernel, device, time, partial(self.tables.experts.evidence, tokens, active))

    def _spaced(self, time: Array, kernels: int) -> Array:
        """`time` of that many kernels, with the gap after each."""
        return np.where(time > 0, time + kernels * self.gap_ns, 0.0)


def make(experiment: Experiment) -> tuple[Profile | None, list[Diagnostic]]:
    """The cost model of `costs = profile("DIR")`; warnings say what the profile lacks."""
    bundle, found = find(experiment)
    if bundle is None:
        return None, found
    tables, found = _tables(bundle)
    if tables is None:
        return None, found
    found = _other_mixture(experiment, bundle, tables)
    if found:
        return None, found
    layers = wanted(experiment)
    calls = {op: c for op, c in layers.items() if all(layer in tables.layers for layer, _ in c)}
    attention = None
    if isinstance(experiment.model.attention, Gqa) and tables.attention is not None:
        attention = MeasuredAttention(tables.attention, tables.skew)
    whole = tables.experts is not None and layout_of(experiment).expert_tp == 1
    model = experiment.model if whole and experiment.model.moe is not None else None
    lacking = [f"`{op}` (layer `{_missing(c, tables)}`)" for op, c in layers.items() if op not in calls]
    lacking += _lacking(experiment, tables, attention, model)
    assert isinstance(experiment.costs, ProfileCosts), "the costs are a profile"
    profile = Profile(tables, calls, attention, model, Roofline(), experiment.costs.gap * 1e9)
    return profile, [_lacks(bundle, lacking)] if lacking else []


def _other_mixture(experiment: Experiment, bundle: Bundle, tables: Tables) -> list[Diagnostic]:
    """That `moe.csv` was measured on a model whose tokens choose another number of experts, or which has more of them."""
    moe, plane = experiment.model.moe, tables.experts
    if moe is None or plane is None:
        return []
    source, single = bundle.source_of("moe.csv"), plane.active[plane.known[0]] if plane.tokens[0] == 1 else []
    fix = "take a profile of this model"
    if len(single) == 1 and single[0] != moe.top_k:
        title = f"one token activates {single[0]:g} experts, of this model it chooses {moe.top_k}"
    elif plane.active[-1] > moe.experts:
        title = f"{plane.active[-1]:g} experts were activated, this model has {moe.experts}"
    else:
        return []
    return [source.error(5, f"{source.what} `{source.name}` is of another model: {title}", fix=fix)]


def _missing(calls: Calls, tables: Tables) -> str:
    return next(layer for layer, _ in calls if layer not in tables.layers)


def _lacking(
    experiment: Experiment, tables: Tables, attention: MeasuredAttention | None, model: Model | None
) -> list[str]:
    """The ops that `attention.csv`, `skew_fit.csv` and `moe.csv` would be for."""
    found = []
    gqa = experiment.model.attention
    if not isinstance(gqa, Gqa):
        found.append("multi-head latent attention and its projections")
    elif attention is None:
        found.append("`attention` (`attention.csv`)")
    elif gqa.window is not None:
        found.append("`window_attention`")
    if attention is not None and tables.skew is None:
        found.append("what uneven contexts add (`skew_fit.csv`)")
    if experiment.model.moe is not None and model is None:
        found.append("`experts` (`moe.csv`)" if tables.experts is None else "`experts` sliced over ranks")
    return found


def _lacks(bundle: Bundle, lacking: list[str]) -> Diagnostic:
    title = f"the profile `{bundle.source.name}` has no times for {', '.join(lacking)}"
    fix = "`explain` and `manifest.json` say which times are modelled"
    warning = bundle.source.error(6, title, label="these come from `roofline()`", fix=fix)
    return replace(warning, severity="warning")


def _tables(bundle: Bundle) -> tuple[Tables | None, list[Diagnostic]]:
    """The tables of a bundle, as they were kept or parsed now."""
    try:
        contents = [name.encode() + bundle.files[name].read_bytes() for name in sorted(bundle.files)]
    except OSError as reason:
        said = f"{bundle.source.what} `{bundle.source.name}` cannot be read: {reason.strerror}"
        return None, [bundle.source.error(0, said)]
    key = key_of([repr(bundle.alpha).encode(), *contents])
    tables = recall(key)
    if tables is not None:
        return tables, []
    rows, found = _rows(bundle)
    if has_errors(found):
        return None, found
    tables = tables_of(rows, bundle.alpha)
    keep(key, tables)
    return tables, []


def _rows(bundle: Bundle) -> tuple[dict[str, Rows], list[Diagnostic]]:
    rows, found = dict[str, Rows](), list[Diagnostic]()
    for name in FILES:
        if name in bundle.files:
            read, wrong = read_file(bundle.source_of(name), name)
            found += wrong
            if read is not None:
                rows[name] = read
    if "attention.csv" in rows and not found:
        found += _uncovered(rows["attention.csv"], bundle)
    return rows, found


def _uncovered(rows: Rows, bundle: Bundle) -> list[Diagnostic]:
    """A grid without prompts alone, or without decode tokens alone, cannot be filled."""
    table = rows.numbers()
    source, found = bundle.source_of("attention.csv"), []
    for column, name, alone in ((2, "n_decode", "prompts"), (0, "prefill_chunk", "decode tokens")):
        if not ((table[:, column] == 0) & (table[:, 2 - column] > 0)).any():
            title = f"{source.what} `{source.name}` has no row of {alone} alone"
            found.append(source.error(3, title, fix=f"add rows with `{name}` 0"))
    return found
