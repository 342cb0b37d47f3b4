"""The names under which a `.moe` file reaches the classes of the schema."""

from __future__ import annotations

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

ALIASES: dict[type, dict[str, str]] = {schema.Compute: {"fp16": "bf16"}}
"""Other names of fields: tensor cores run fp16 and bf16 at one rate."""

IN_ORDER: dict[type, int] = {schema.Mesh: 2}
"""How many arguments may go without their names where it is more than the first: `mesh(5, 5)`."""


def canonical(cls: type, field: str) -> str:
    """The schema's name of a field that may be written by another."""
    return ALIASES.get(cls, {}).get(field, field)
