"""Whether heads and inner widths split evenly over the ranks that share them."""

from __future__ import annotations

from collections.abc import Iterator

from moec.compiler.sizes.layout import layout_of_plan
from moec.compiler.sizes.parameters import cuts_heads
from moec.diagnostics.findings import Finding, divisors, listed
from moec.dsl.schema import Experiment, Gqa, Model


def attention_heads(e: Experiment) -> Iterator[Finding]:
    """M302: heads are whole; M303: key and value heads are split evenly or repeated evenly."""
    tp, heads = e.parallelism.attention.tp, e.model.attention.heads
    if cuts_heads(e.model, tp):
        return
    if heads % tp:
        yield Finding(
            "M302",
            f"`attention.tp = {tp}` does not divide the {heads} attention heads",
            ("parallelism.attention.tp",),
            f"{heads} heads / {tp} ranks is not whole",
            (("model.attention.heads", f"{heads} heads"),),
            f"use {listed(good_tps(e.model))}",
        )
    elif not _shares_kv_heads(e.model, tp):
        assert isinstance(e.model.attention, Gqa)
        kv = e.model.attention.kv_heads
        yield Finding(
            "M303",
            f"`attention.tp = {tp}` neither divides the {kv} key/value heads nor is a multiple of them",
            ("parallelism.attention.tp",),
            f"{kv} key/value heads on {tp} ranks",
            (("model.attention.kv_heads", f"{kv} key/value heads"),),
            f"use {listed(good_tps(e.model))}",
        )


def widths(e: Experiment) -> Iterator[Finding]:
    """M304: inner widths are split evenly. Silent on `attention.tp` when the heads already speak against it."""
    tp, moe = e.parallelism.attention.tp, e.model.moe
    if next(attention_heads(e), None) is None:
        for what, source, width in _tp_widths(e.model):
            if width % tp:
                yield _width(tp, ("attention.tp",), width, source, what, good_tps(e.model))
    if moe is None:
        return
    layout = layout_of_plan(e.parallelism, moe=True)
    if moe.intermediate % layout.expert_tp and layout.stage % layout.expert_tp == 0:
        good = [n for n in divisors(moe.intermediate) if layout.stage % n == 0]
        paths = ("experts.tp",) if e.parallelism.experts.shard == "whole" else ("experts.shard", "attention")
        yield _width(layout.expert_tp, paths, moe.intermediate, "model.moe.intermediate", "an expert", good)


def good_tps(model: Model) -> list[int]:
    """Every `attention.tp` that the model's heads and widths allow, ascending; 1 is always one."""
    widths = [width for _, _, width in _tp_widths(model)]
    return [
        tp
        for tp in divisors(model.attention.heads)
        if _shares_kv_heads(model, tp) and not any(width % tp for width in widths)
    ]


def _shares_kv_heads(model: Model, tp: int) -> bool:
    attention = model.attention
    return not isinstance(attention, Gqa) or attention.kv_heads % tp == 0 or tp % attention.kv_heads == 0


def _tp_widths(model: Model) -> Iterator[tuple[str, str, int]]:
    """What `attention.tp` splits besides heads: its name, the field it comes from, its width."""
    if model.ffn is not None:
        yield "the dense network", "model.ffn.intermediate", model.ffn.intermediate
    if model.moe is not None and model.moe.shared:
        width = model.moe.shared * (model.moe.shared_intermediate or model.moe.intermediate)
        yield "the shared experts", "model.moe.shared", width


def _width(ranks: int, paths: tuple[str, ...], width: int, source: str, what: str, good: list[int]) -> Finding:
    return Finding(
        "M304",
        f"the inner width of {what}, {width}, cannot be split over {ranks} ranks",
        tuple(f"parallelism.{path}" for path in paths),
        f"{width} / {ranks} is not whole",
        ((source, f"inner width {width}"),),
        f"{listed(good)} {'rank' if good == [1] else 'ranks'} would do",
    )
