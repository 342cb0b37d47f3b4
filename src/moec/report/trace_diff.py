"""How two trace sets differ, in words and in JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from moec.compiler.chakra.diff import Difference
from moec.compiler.chakra.trace_set import folded


def diff_json(differences: Sequence[Difference]) -> list[dict[str, Any]]:
    """Differences for scripts."""
    return [{**asdict(d), "a": _plain(d.a), "b": _plain(d.b)} for d in differences]


def diff_text(differences: Sequence[Difference]) -> str:
    """A line per difference."""
    if not differences:
        return "no differences"
    return "\n".join(_line(d) for d in differences)


def _line(d: Difference) -> str:
    where = folded(d.ranks)
    if d.node is not None:
        where += f", node {d.node} {d.name!r}" + (f" and {d.nodes - 1} more" if d.nodes > 1 else "")
    totals = (
        f" (in all {d.total_a:,} -> {d.total_b:,})"
        if d.nodes > 1 and d.total_a is not None and d.total_b is not None
        else ""
    )
    return f"{where}: {d.field} {d.a!r} -> {d.b!r}{totals}"


def _plain(value: object) -> object:
    """What JSON can hold: bytes as hexadecimal digits."""
    if isinstance(value, bytes):
        return value.hex()
    return [_plain(v) for v in value] if isinstance(value, tuple) else value
