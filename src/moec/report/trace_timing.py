"""The timing of a trace set, as a table and as JSON."""

from __future__ import annotations

from typing import Any

from moec.backends.astra.replay.timing import Timing
from moec.compiler.chakra.trace_set import folded


def timing_json(timing: Timing) -> dict[str, Any]:
    """The timing for scripts: `finish_ns` and `exposed_ns` by rank, `nodes` by rank where they were asked for."""
    found: dict[str, Any] = {
        "finish_ns": list(timing.finish_ns),
        "exposed_ns": list(timing.exposed_ns),
        "events": timing.events,
        "notes": list(timing.notes),
    }
    if timing.nodes:
        found["nodes"] = [
            {
                "id": nodes.id.tolist(),
                "name": list(nodes.name),
                "start_ns": nodes.start_ns.tolist(),
                "end_ns": nodes.end_ns.tolist(),
            }
            for nodes in timing.nodes
        ]
    return found


def timing_text(timing: Timing) -> str:
    """The timing for people: ranks that finish alike in one row, in the order of their finish."""
    from moec.report.style import as_text, plain_table  # rich, which JSON can do without

    alike: dict[tuple[int, int], list[int]] = {}
    for rank, times in enumerate(zip(timing.finish_ns, timing.exposed_ns, strict=True)):
        alike.setdefault(times, []).append(rank)
    table = plain_table("ranks", "finish, ns", "exposed communication, ns")
    for (finish, exposed), ranks in sorted(alike.items()):
        table.add_row(folded(tuple(ranks)), f"{finish:,}", f"{exposed:,}")
    return as_text(table)
