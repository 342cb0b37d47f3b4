"""Whether the model fits in device memory, said with the arithmetic and the nearest plan that would fit."""

from __future__ import annotations

from moec.compiler.check.fit import nearest_fit
from moec.compiler.sizes.footprint import (
    MemoryReport,
    StageMemory,
    expert_slots,
    kv_bytes_per_token_and_layer,
    memory_of,
)
from moec.compiler.sizes.layout import Layout, layout_of
from moec.compiler.sizes.parameters import Kind, weight_dtype
from moec.diagnostics import Diagnostic
from moec.diagnostics.findings import labels_of, span_of
from moec.dsl.schema import Experiment

__all__ = ["MemoryReport", "StageMemory", "check_memory", "kv_bytes_per_token_and_layer", "memory_of"]

KIND_NAMES: dict[Kind, str] = {
    "embedding": "the embedding",
    "head": "the head",
    "attention": "attention",
    "dense_ffn": "the dense networks",
    "routed_experts": "the experts",
    "shared_experts": "the shared experts",
    "router": "the routers",
    "norms": "the norms",
}


def check_memory(experiment: Experiment) -> list[Diagnostic]:
    """M301 when the weights do not fit or no KV block is left. The plan has passed `check_plan` without errors."""
    report, layout = memory_of(experiment), layout_of(experiment)
    if report.shortfall == 0:
        return []
    title, paths = _blame(report)
    return [
        Diagnostic(
            code="M301",
            title=title,
            span=span_of(experiment, *paths),
            label=_weights(experiment, report, layout),
            labels=labels_of(experiment, _causes(experiment, report)),
            help=_help(experiment, report),
        )
    ]


def _blame(report: MemoryReport) -> tuple[str, tuple[str, ...]]:
    """What does not fit, and the fields it is due to, the best known first."""
    heaviest = max(report.weights, key=lambda kind: report.weights[kind])
    place = "parallelism.experts" if heaviest == "routed_experts" else "parallelism.attention"
    if report.given:
        return "the KV blocks do not fit in GPU memory beside the weights", ("serving.kv_cache.blocks",)
    if report.weights_bytes > report.budget - report.runtime:
        what = "experts" if heaviest == "routed_experts" else "weights"
        return f"the {what} do not fit in GPU memory", (place, "cluster.node", "model")
    return "no memory is left for a KV block", (place, "serving.kv_cache", "cluster.node", "model")


def _weights(experiment: Experiment, report: MemoryReport, layout: Layout) -> str:
    """The arithmetic of the primary label: the heaviest kind, and all weights."""
    if report.given:
        blocks = f"{report.kv_blocks} blocks of {report.block} tokens are {_gb(report.kv_blocks * report.block_bytes)}"
        return f"{blocks}, beside {_gb(report.weights_bytes)} of weights"
    heaviest = max(report.weights, key=lambda kind: report.weights[kind])
    size = f"{_gb(report.weights[heaviest])} in {weight_dtype(experiment.model, heaviest)}"
    if heaviest == "routed_experts":
        text = f"{_experts(experiment, layout)}, {size}"
    else:
        text = f"{KIND_NAMES[heaviest]} / {layout.tp} {_plural('GPU', layout.tp)}: {size}"
    stage = f" on stage {report.tightest}" if layout.pp > 1 else ""
    return f"{text}; all weights{stage}: {_gb(report.weights_bytes)}"


def _experts(experiment: Experiment, layout: Layout) -> str:
    moe, plan = experiment.model.moe, experiment.parallelism.experts
    total = (0 if moe is None else moe.experts) + plan.redundant
    if layout.ep == 1 and layout.expert_tp > 1:
        return f"1/{layout.expert_tp} of each of {total} experts"
    share = f", each over {layout.expert_tp}" if layout.expert_tp > 1 else ""
    ranks = f"{layout.ep} {_plural('GPU' if layout.expert_tp == 1 else 'group', layout.ep)}"
    return f"{total} experts / {ranks} = {expert_slots(experiment, layout)} each{share}"


def _causes(experiment: Experiment, report: MemoryReport) -> list[tuple[str, str]]:
    cache, scheduler = experiment.serving.kv_cache, experiment.serving.scheduler
    budget = f"{_gb(report.device)} per GPU"
    if report.given:
        return [("cluster.node", budget)]
    taken = f"{_gb(report.activations)} of activations and {_gb(report.runtime)} of runtime"
    causes = [
        ("cluster.node", f"{budget}, of which {cache.memory:g} is used: {_gb(report.budget)}, less {taken}"),
    ]
    if report.activations > report.budget / 5:
        causes.append(
            (
                "serving.scheduler",
                f"activations of {scheduler.max_batched_tokens} tokens and logits of {scheduler.max_sequences} sequences",
            )
        )
    return causes


def _help(experiment: Experiment, report: MemoryReport) -> str:
    if report.given and report.device > report.weights_bytes:
        most = int((report.device - report.weights_bytes) // report.block_bytes)
        return f"at most {most} blocks fit; leave `blocks` out to have them computed"
    found = nearest_fit(experiment)
    if found is None:
        return "no plan on more of these GPUs fits: use GPUs with more memory, narrower weights or fewer batched tokens"
    network = ", with a `network`" if experiment.cluster.network is None and found.experiment.cluster.nodes > 1 else ""
    changes = ", ".join(f"`{change}`" for change in found.changes)
    memory = found.memory
    return f"{changes}{network}: {_gb(memory.weights_bytes)} of weights per GPU, and {memory.kv_blocks} KV blocks"


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else noun + "s"
