"""The names under which a `.moe` file reaches the classes of the schema."""

from __future__ import annotations

import re

from moec.dsl import schema

KINDS: dict[str, type] = {
    "model": schema.Model,
    "device": schema.Device,
    "node": schema.Node,
    "link": schema.Link,
    "cluster": schema.Cluster,
    "network": schema.Network,
    "parallelism": schema.Parallelism,
    "routing": schema.Routing,
    "serving": schema.Serving,
    "workload": schema.Workload,
    "experiment": schema.Experiment,
}
"""What can be defined at the top of a file (`sweep` besides)."""

_SURFACE: dict[type, str] = {
    **{cls: kind for kind, cls in KINDS.items()},
    schema.RoundRobinRouter: "round_robin",
    schema.RoutingTrace: "trace",
    schema.TraceRequests: "trace",
    schema.UniformLength: "uniform",
    schema.LognormalLength: "lognormal",
    schema.GammaArrivals: "gamma",
    schema.RooflineCosts: "roofline",
    schema.ProfileCosts: "profile",
    schema.TableCosts: "table",
    schema.SiliconCosts: "silicon",
    schema.FastOptions: "fast",
    schema.AstraSystem: "astra",
    schema.AstraOptions: "astra_sim",
    schema.AttentionPlan: "attention",
    schema.ExpertPlan: "experts",
    schema.ModelDtypes: "dtype",
}

ALIASES: dict[type, dict[str, str]] = {schema.Compute: {"fp16": "bf16"}}
"""Other names of fields: tensor cores run fp16 and bf16 at one rate."""

IN_ORDER: dict[type, int] = {schema.Mesh: 2}
"""How many arguments may go without their names where it is more than the first: `mesh(5, 5)`."""


def surface_name(cls: type) -> str:
    """What a class is called in the language: its kind or variant, by default its own name in snake case."""
    return _SURFACE.get(cls) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()


def canonical(cls: type, field: str) -> str:
    """The schema's name of a field that may be written by another."""
    return ALIASES.get(cls, {}).get(field, field)
