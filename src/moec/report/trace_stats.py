"""What a trace set amounts to, as tables and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from moec.compiler.chakra.stats import Stats
from moec.report.style import grid, plain_table


def stats_json(stats: Stats) -> dict[str, Any]:
    """Statistics for scripts."""
    return asdict(stats)


def stats_report(stats: Stats) -> RenderableType:
    """Statistics for people."""
    table = grid()
    table.add_row("ranks", f"{stats.ranks:,}, {stats.distinct:,} of them with a trace of their own")
    table.add_row("files", f"{stats.file_bytes:,} bytes")
    table.add_row("nodes", f"{sum(stats.nodes.values()):,}: " + ", ".join(f"{n:,} {k}" for k, n in stats.nodes.items()))
    table.add_row("operations", f"{stats.operations:,}")
    table.add_row("kernel time", f"{stats.busy_ns:,} ns on the busiest rank, {stats.kernel_ns:,} ns on all")
    table.add_row(
        "longest chain", f"{stats.path_ns:,} ns of kernels, on rank {stats.path_rank}; communication counts as 0"
    )
    if stats.sends:
        table.add_row("sends", f"{stats.sends:,}, {stats.send_bytes:,} bytes")
    if stats.memory_bytes:
        table.add_row("remote memory", f"{stats.memory_bytes:,} bytes")
    return Group(table, *([_traffic(stats)] if stats.traffic else []))


def _traffic(stats: Stats) -> Table:
    table = plain_table("collective", "group", "nodes", "bytes (comm_size)")
    for row in stats.traffic:
        table.add_row(row.kind, row.group or "all ranks", f"{row.count:,}", f"{row.bytes:,}")
    return table
