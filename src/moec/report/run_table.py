"""How a run reads in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from moec.backends.base import Tally
from moec.dsl.schema import Experiment
from moec.report.limits import Limits, phase_shares
from moec.report.style import Fitted, bar, grid, plain_table
from moec.report.wording import plan_name, seconds
from moec.serving.results import Results

_LATENCIES = {
    "ttft": ("time to first token", "ttft_p99"),
    "tpot": ("time per output token", "tpot_p99"),
    "itl": ("inter-token latency", ""),
    "e2el": ("end to end", "e2el_p99"),
}


def run_report(experiment: Experiment, results: Results, summary: Mapping[str, Any], limits: Limits) -> RenderableType:
    """Everything about a run that fits on a screen: volume, latency, goals, and what bounded it."""
    return Group(
        _headline(experiment, summary),
        "",
        _latency_table(summary),
        "",
        _engine(results, summary, limits),
        "",
        Text(limits.sentence()),
        *_goal_line(summary),
    )


def _headline(experiment: Experiment, summary: Mapping[str, Any]) -> Text:
    model = experiment.names.get("model", "model")
    text = Text.assemble((f"{experiment.name}: ", "bold"), (model, "bold cyan"), " on ", plan_name(experiment), "\n")
    text.append(f"{summary['completed']:,} requests in {seconds(summary['duration'])} of simulated time, ")
    text.append(f"{summary['total_input_tokens']:,} tokens in, {summary['total_output_tokens']:,} out\n")
    text.append(f"{summary['output_throughput']:,.0f} output tokens/s", "bold green")
    text.append(f" · {summary['total_token_throughput']:,.0f} tokens/s in all · ")
    text.append(f"{summary['request_throughput']:,.2f} requests/s")
    return text


def _latency_table(summary: Mapping[str, Any]) -> RenderableType:
    goals = summary.get("goals", {})
    table = plain_table("latency, ms", "mean", "median", "p90", "p95", "p99", *(["p99 goal"] if goals else []))
    for key, (label, goal) in _LATENCIES.items():
        statistics = ("mean", "median", "p90", "p95", "p99")
        cells: list[RenderableType] = [_ms(summary[f"{s}_{key}_ms"]) for s in statistics]
        if goals:
            cells.append(_goal_cell(goals.get(goal)))
        table.add_row(label, *cells)
    return Fitted(table, ("p95", "p90", "median"))


def _goal_cell(goal: Mapping[str, Any] | None) -> Text:
    if goal is None:
        return Text("")
    if goal["reached_ms"] is None:
        return Text(f"{_ms(goal['goal_ms'])} no data", "red")
    return Text(f"{_ms(goal['goal_ms'])} {'met' if goal['met'] else 'missed'}", "green" if goal["met"] else "red")


def _engine(results: Results, summary: Mapping[str, Any], limits: Limits) -> Table:
    table = grid()
    capacity = limits.capacity_kv_blocks
    used = limits.peak_kv_blocks / capacity if capacity else 0.0
    shares = " · ".join(f"{name} {share:.0%}" for name, share in phase_shares(results.iterations).items())
    table.add_row("iterations", f"{summary['iterations']:,} ({shares} of their time)")
    table.add_row("requests at once", f"{limits.peak_running:,} running, {limits.peak_waiting:,} waiting at the peak")
    table.add_row(
        "KV cache",
        Text.assemble(bar(used), f" {limits.peak_kv_blocks:,} of {capacity:,} blocks at the peak ({used:.0%})"),
    )
    table.add_row("preemptions", _preemptions(summary))
    if results.tally is not None:
        table.add_row("iterations by", _tally(results.tally))
    table.add_row("simulated by", f"{summary['backend']} backend in {seconds(summary['wall_s'])}")
    return table


def _preemptions(summary: Mapping[str, Any]) -> str:
    text = f"{summary['preemptions']:,}"
    if "preemptions_swapped" not in summary:
        return text
    out, back = summary["swapped_out_bytes"] / 1e9, summary["swapped_in_bytes"] / 1e9
    text += f" ({summary['preemptions_swapped']:,} swapped: {out:,.2f} GB out, {back:,.2f} GB back"
    recomputed = summary["preemptions_recomputed"]
    return f"{text}; {recomputed:,} recomputed: host memory was full)" if recomputed else f"{text})"


def _tally(tally: Tally) -> str:
    parts = [f"{tally.simulated:,} simulated"]
    parts += [f"{tally.reused:,} equal to one of them"] * (tally.reused > 0)
    if tally.estimated:
        low, high = min(tally.ratios), max(tally.ratios)
        parts.append(f"{tally.estimated:,} estimated (simulated ÷ estimated: {low:.3f} to {high:.3f})")
    return " · ".join(parts)


def _goal_line(summary: Mapping[str, Any]) -> list[Text]:
    if not summary.get("goals"):
        return []
    share, goodput = summary["goal_attainment"], summary["request_goodput"]
    return [Text(f"{share:.1%} of the requests met every goal: {goodput:,.2f} good requests/s.")]


def _ms(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}"
