"""What the classes of the schema are called in the language."""

from __future__ import annotations

import re

from moec import registry

_SURFACE: dict[str, str] = {
    "RoundRobinRouter": "round_robin",
    "RoutingTrace": "trace",
    "TraceRequests": "trace",
    "UniformLength": "uniform",
    "LognormalLength": "lognormal",
    "GammaArrivals": "gamma",
    "RooflineCosts": "roofline",
    "ProfileCosts": "profile",
    "TableCosts": "table",
    "SiliconCosts": "silicon",
    "FastOptions": "fast",
    "AstraSystem": "astra",
    "AstraOptions": "astra_sim",
    "AttentionPlan": "attention",
    "ExpertPlan": "experts",
    "ModelDtypes": "dtype",
}
"""Class -> name, where it is not the class's own in snake case."""


def surface_name(cls: type) -> str:
    """What a class is called in the language: its kind or variant, or the entry point's name of another package's options."""
    added = registry.named(cls)
    if added is not None:
        return added[1]
    return _SURFACE.get(cls.__name__) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
