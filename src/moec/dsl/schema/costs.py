"""Where the times of kernels come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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


@dataclass(frozen=True, slots=True)
class SiliconCosts:
    """Kernel and collective times measured on the device's GPU, from the package aiconfigurator-core."""

    engine: Literal["vllm", "sglang", "trtllm"] = spec("whose kernels", "vllm")
    tokens: Literal["balanced", "power_law"] = spec(
        "how tokens were dealt out to the experts that were measured", "balanced"
    )
    mxfp4: Literal["w4a16", "w4a8"] = spec(
        "what experts in mxfp4 multiply: activations of 16 bits, or of 8 (mxfp8)", "w4a16"
    )


Costs = RooflineCosts | ProfileCosts | TableCosts | SiliconCosts
