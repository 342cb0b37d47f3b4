"""How an explanation reads in a terminal: where the memory goes, and where the time."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from moec.backends.network.report import ExchangeReport
from moec.compiler.check.memory import MemoryReport
from moec.compiler.sizes.parameters import parameters
from moec.dsl.schema import Experiment
from moec.report.style import Fitted, bar, plain_table
from moec.report.wording import gigabytes, plan_name, scaled
from moec.run.phases import Phase, Typical

_STYLES = {"compute": "green", "memory": "cyan", "latency": "yellow", "network": "magenta"}


def explain_report(
    experiment: Experiment, memory: MemoryReport, phases: tuple[Phase, ...], typical: Typical, backend: str = "fast"
) -> RenderableType:
    """The model and the plan, one GPU's memory, and an op table per phase; `backend` timed whole iterations besides."""
    parts: list[RenderableType] = [_headline(experiment), "", memory_table(memory), "", Text(kv_sentence(memory))]
    parts += ["", Text(_typical_sentence(typical), style="dim")]
    for phase in phases:
        parts += ["", _phase_headline(phase, backend), phase_table(phase), *_study(phase)]
    legend = (
        "time: summed over the layers on the busiest GPU; flops, bytes: over all layers and GPUs of one instance;\n"
        "exposed: the share of the iteration in which the busiest GPU does not compute; exchanges: in their slowest layer."
    )
    return Group(*parts, "", Text(legend, style="dim"))


def memory_table(memory: MemoryReport) -> RenderableType:
    """One GPU's memory with bars, weights by kind."""
    table = plain_table("memory of one GPU", "size", "share")
    table.add_column("")
    rows = [(f"weights: {kind.replace('_', ' ')}", size) for kind, size in memory.weights.items() if size]
    rows += [("weights: unpacked for attention", memory.stage.unpacked)] * (memory.stage.unpacked > 0)
    rows += [("activations, at the peak", memory.activations), ("runtime", memory.runtime)]
    rows += [("KV cache: sliding windows", memory.stage.window_reserve)] * (memory.stage.window_reserve > 0)
    rows.append((f"KV cache: {memory.kv_blocks:,} blocks", int(max(0, memory.kv_blocks) * memory.block_bytes)))
    rows.append(("left to others", memory.device - sum(size for _, size in rows)))
    for label, size in rows:
        share = size / memory.device
        style = "cyan" if label.startswith("KV") else "blue" if label.startswith("weights") else "dim"
        table.add_row(label, gigabytes(size), f"{share:.1%}", bar(share, 24, style))
    table.add_section()
    table.add_row("in all", gigabytes(memory.device), "", "")
    return Fitted(table, ("",))


def kv_sentence(memory: MemoryReport) -> str:
    """How much cache there is, in tokens."""
    return (
        f"The KV cache of each attention rank holds {memory.kv_tokens:,} tokens "
        f"({memory.kv_blocks:,} blocks of {memory.block}; {gigabytes(memory.kv_bytes_per_token)} per token and GPU)."
    )


def phase_table(phase: Phase) -> RenderableType:
    """The ops of one iteration with their share of its time."""
    table = plain_table("op", "count", "flops", "bytes", "time, us", "share")
    for title in ("", "bound", "source"):
        table.add_column(title, no_wrap=True)
    for op in phase.ops:
        share = op.time_us / phase.time_us if phase.time_us else 0.0
        style = _STYLES.get(op.bound, "cyan")
        counts = (f"{op.count:,}", scaled(op.flops), scaled(op.bytes), f"{op.time_us:,.1f}", f"{share:.1%}")
        table.add_row(op.name, *counts, bar(share, 16, style), Text(op.bound, style), op.source)
    return Fitted(table, ("", "source", "bound", "count", "flops", "bytes"))


def _study(phase: Phase) -> list[RenderableType]:
    """The critical path in a line, and a table of the exchanges."""
    parts: list[RenderableType] = []
    if phase.path:
        shares = [f"{step.name} {step.share:.0%}".replace("%", " %") for step in phase.path if step.share >= 0.01]
        parts += ["", Text(f"critical path: {', '.join(shares)}")]
    if phase.exchanges:
        parts += ["", exchange_table(phase.exchanges)]
    return parts


def exchange_table(exchanges: tuple[ExchangeReport, ...]) -> RenderableType:
    """How each exchange runs, in its slowest layer, and what it waits for."""
    table = plain_table("exchange", "time, us", "fixed, us", "bytes")
    for title in ("way", "waits for"):
        table.add_column(title)
    for e in exchanges:
        table.add_row(e.op, f"{e.time_us:,.1f}", f"{e.fixed_us:,.1f}", scaled(e.bytes), e.way, e.bottleneck())
    return Fitted(table, ("way", "bytes", "fixed, us"))


def _headline(experiment: Experiment) -> Text:
    counts = parameters(experiment.model)
    name = experiment.names.get("model", "model")
    text = Text.assemble((f"{experiment.name}: ", "bold"), (name, "bold cyan"), " on ", plan_name(experiment), "\n")
    return text.append(
        f"{scaled(counts.total)} parameters, {scaled(counts.active)} of them active per token".replace(" G ", " B ")
    )


def _typical_sentence(typical: Typical) -> str:
    whence = "no workload is given, so this is assumed" if typical.assumed else "the workload's mean"
    return f"A typical request: {typical.input_tokens:,} tokens in, {typical.output_tokens:,} out ({whence})."


def _phase_headline(phase: Phase, backend: str) -> Text:
    text = Text.assemble((phase.name, "bold"), f": {phase.sequences:,} requests, {phase.tokens:,} new tokens in ")
    text.append(f"{phase.time_us / 1e3:,.2f} ms", "bold green")
    if any(op.communication for op in phase.ops):
        share, exposed = (x / phase.time_us for x in (phase.communication_us, phase.exposed_us))
        text.append(f" · communication {share:.0%} of it, exposed {exposed:.0%}")
    if phase.compared_us is not None:
        text.append(f"\n{backend}: {phase.compared_us / 1e3:,.2f} ms", "bold green")
        text.append(f", {phase.compared_us / phase.time_us:.3f} of the estimate, whose operations these are")
    return text
