"""How plans and quantities are put into words."""

from __future__ import annotations

from moec.compiler.check.memory import MemoryReport
from moec.compiler.sizes.layout import layout_of
from moec.dsl.schema import Experiment


def plan_name(experiment: Experiment) -> str:
    """The plan in the field's words: `8 × H100 · attention tp 2 × dp 4 · experts ep 8`."""
    layout, instances = layout_of(experiment), experiment.serving.instances
    device = experiment.names.get("cluster.node.device", "GPU")
    parts = [f"{layout.world * instances} × {device}", f"attention tp {layout.tp} × dp {layout.dp}"]
    if experiment.model.moe is not None:
        parts.append(f"experts ep {layout.ep}" + (f" × tp {layout.expert_tp}" if layout.expert_tp > 1 else ""))
    if layout.pp > 1:
        parts.append(f"pp {layout.pp}")
    if instances > 1:
        parts.append(f"{instances} instances")
    return " · ".join(parts)


def feasibility(experiment: Experiment, memory: MemoryReport) -> str:
    """In one line, what a GPU holds and how much cache that leaves."""
    return (
        f"{experiment.name}: fits. {plan_name(experiment)}: {gigabytes(memory.weights_bytes)} of weights on each GPU of "
        f"{gigabytes(memory.device)}, {max(0, memory.kv_blocks):,} KV blocks = {memory.kv_tokens:,} tokens per attention rank"
    )


def seconds(value: float) -> str:
    """A span of time with a unit that suits it."""
    if value >= 120:
        return f"{value / 60:,.1f} min"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.1f} ms" if value >= 1e-3 else f"{value * 1e6:.1f} us"


def gigabytes(value: float) -> str:
    """Bytes, decimal as on data sheets."""
    if value >= 1e8:
        return f"{value / 1e9:,.2f} GB"
    return f"{value / 1e6:,.2f} MB" if value >= 1e5 else f"{value / 1e3:,.2f} KB"


def scaled(value: float) -> str:
    """A count with a decimal prefix: 1.25 T."""
    for limit, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.2f} {prefix}"
    return f"{value:.0f}"
