"""Whether a model is consistent in itself: every layer has a network, every token its experts."""

from __future__ import annotations

from collections.abc import Iterator

from moec.compiler.sizes.parameters import moe_layers
from moec.diagnostics.findings import Finding, divisors, listed
from moec.dsl.schema import Experiment, Gqa


def layers(e: Experiment) -> Iterator[Finding]:
    """M317: every layer has a network and every network a layer; M318: attention is well formed."""
    model, mixtures = e.model, moe_layers(e.model)
    if model.moe is not None and mixtures == 0:
        yield Finding(
            "M317", "no layer is a mixture", ("model.moe.first_dense", "model.moe.every", "model.moe"),
            f"first_dense = {model.moe.first_dense}, every = {model.moe.every}",
            (("model.layers", f"{model.layers} layers"),), "drop `moe`, or lower `first_dense` or `every`",
        )  # fmt: skip
    if model.ffn is None and mixtures < model.layers:
        yield Finding(
            "M317", f"{model.layers - mixtures} of {model.layers} layers have no feed-forward network",
            ("model.moe", "model"), "these layers are no mixture", (), "add `ffn { intermediate = ... }` to the model",
        )  # fmt: skip
    attention = model.attention
    if isinstance(attention, Gqa) and attention.heads % attention.kv_heads:
        yield Finding(
            "M318", f"{attention.kv_heads} key/value heads do not divide {attention.heads} heads",
            ("model.attention.kv_heads",), "each serves a whole number of heads",
            (("model.attention.heads", f"{attention.heads} heads"),), f"use {listed(divisors(attention.heads))}",
        )  # fmt: skip


def choice(e: Experiment) -> Iterator[Finding]:
    """M308: expert groups are even; M309: a token finds top-k experts."""
    moe = e.model.moe
    if moe is None:
        return
    if moe.experts % moe.groups:
        yield Finding(
            "M308", f"{moe.groups} groups do not divide {moe.experts} experts", ("model.moe.groups",),
            f"{moe.experts} / {moe.groups} is not whole", (("model.moe.experts", f"{moe.experts} experts"),),
            f"use {listed([n for n in divisors(moe.experts) if n <= 64])}",
        )  # fmt: skip
        return
    limit = moe.group_limit or moe.groups
    if limit > moe.groups:
        yield Finding(
            "M308", f"a token may choose from {limit} groups, but there are {moe.groups}", ("model.moe.group_limit",),
            f"{limit} of {moe.groups} groups", (), f"use at most {moe.groups}",
        )  # fmt: skip
        return
    reach = limit * moe.experts // moe.groups
    if moe.top_k > reach:
        within = f" in the {limit} groups that a token may choose from" if limit < moe.groups else ""
        yield Finding(
            "M309", f"a token visits {moe.top_k} experts, but there are {reach}{within}", ("model.moe.top_k",),
            f"top_k = {moe.top_k}",
            (("model.moe.experts", f"{moe.experts} experts"), ("model.moe.groups", f"{moe.groups} groups")),
            f"use at most {reach}",
        )  # fmt: skip
