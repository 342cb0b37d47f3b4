"""Where the times of kernels come from."""

from __future__ import annotations

from dataclasses import dataclass

from moec.dsl.schema.fields import Seconds, spec


@dataclass(frozen=True, slots=True)
class RooflineCosts:
    """Device peaks × documented efficiency curves."""


@dataclass(frozen=True, slots=True)
class ProfileCosts:
    """Kernel times measured on one GPU: a profile bundle of LLMServingSim 2.0. What it lacks is left to `roofline`."""

    folder: str = spec("the bundle, or one of its `tp…` folders; relative to the .moe file", folder=True)
    gap: Seconds = spec(
        "from the end of a kernel to the start of the next, which a profile leaves out", 1.4e-6, at_least=0
    )


@dataclass(frozen=True, slots=True)
class TableCosts:
    """Layer times measured on one GPU: a CSV of `hardware,model,layer_name,input,kv_cache,latency(ns)`."""

    file: str = spec("path, relative to the .moe file")


Costs = RooflineCosts | ProfileCosts | TableCosts
