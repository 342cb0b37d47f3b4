"""What the language has but this version cannot simulate, so that it is never taken for a slip of the pen."""

from __future__ import annotations

from moec.diagnostics import Diagnostic
from moec.dsl import schema
from moec.dsl.text import ast

_FIELDS: dict[type, tuple[str, ...]] = {
    schema.Model: ("decode",),
    schema.Moe: ("capacity_factor",),
    schema.Device: ("pim",),
    schema.Node: ("disk",),
    schema.Cluster: ("pool",),
    schema.Network: ("per_node",),
    schema.AttentionPlan: ("sp", "on"),
    schema.ExpertPlan: ("on",),
    schema.Parallelism: ("prefill", "decode", "rank_order", "offload"),
    schema.Exchange: ("attention",),
    schema.Lpt: ("load",),
    schema.Routing: ("overflow", "correlation", "correlations"),
    schema.Serving: ("instance", "pool", "role", "roles", "kv_transfer", "speculation", "prefill", "decode"),
}

_CHOICES: dict[tuple[type, str], tuple[str, ...]] = {
    (schema.Network, "topology"): ("fully_connected",),
    (schema.Parallelism, "overlap"): ("ping_pong",),
    (schema.Exchange, "method"): ("shuffled_rs_ag",),
    (schema.ExpertPlan, "placement"): ("affinity", "ilp", "cocluster"),
    (schema.Workload, "requests"): ("sharegpt",),
}


def later_fields(cls: type) -> tuple[str, ...]:
    """Fields of `cls` that the language has and the schema lacks."""
    return _FIELDS.get(cls, ())


def later_choices(cls: type, field: str) -> tuple[str, ...]:
    """Values of a field that the language has and the schema lacks."""
    return _CHOICES.get((cls, field), ())


def sweep_cannot_run(name: ast.Name) -> Diagnostic:
    """Only a warning: the experiments of the file run all the same."""
    title = "`sweep` is in the language, but this version of moec cannot run it yet"
    help = "run the experiment once for each point, with `--set`"
    return Diagnostic("M191", title, name.span, "not run; the experiments are", help=help, severity="warning")
