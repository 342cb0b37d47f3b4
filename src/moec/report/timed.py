"""Compiled iterations that were timed: their figures as JSON, as a table and as files."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from moec.backends.astra.folders import Timed
from moec.diagnostics import Diagnostic
from moec.report.csv_text import csv_bytes, decimals, integers, texts
from moec.report.output_folder import FORMAT, MANIFEST
from moec.report.run_files import json_bytes
from moec.report.style import plain_table
from moec.version import VERSION


def timed_json(place: Path, backend: str, timed: Sequence[Timed]) -> dict[str, Any]:
    """Times in whole nanoseconds; what the traces' folder does not say is None."""
    return {
        "folder": str(place),
        "backend": backend,
        "tools": sorted({one.tool for one in timed}),
        "iterations": [_row(one) for one in timed],
    }


def _row(one: Timed) -> dict[str, Any]:
    compiled = one.compiled
    return {
        "iteration": compiled.iteration,
        "phase": compiled.phase,
        "folder": compiled.folder.name,
        "ranks": compiled.ranks,
        "nodes": compiled.nodes,
        "time_ns": one.time_ns,
        "exposed_ns": one.alone_ns,
        "first_rank_ns": int(one.finish_ns.min()),
        "wall_s": one.wall_s,
    }


def timed_report(backend: str, timed: Sequence[Timed]) -> RenderableType:
    """A row per iteration."""
    table = plain_table("iteration", "phase", "ranks", "nodes", "time, us", "exposed", "first rank, us", "wall, s")
    for one in timed:
        of, share = one.compiled, one.alone_ns / one.time_ns if one.time_ns else 0.0
        table.add_row(
            of.folder.name,
            of.phase or "",
            f"{of.ranks:,}",
            "" if of.nodes is None else f"{of.nodes:,}",
            f"{one.time_ns / 1e3:,.3f}",
            f"{share:.1%}",
            f"{int(one.finish_ns.min()) / 1e3:,.3f}",
            f"{one.wall_s:.2f}",
        )
    tools = ", ".join(sorted({one.tool for one in timed}))
    legend = (
        "exposed: the share of the time in which the busiest GPU does not compute; first rank: when the earliest one is\n"
        f"done. Timed by {backend}: {tools}"
    )
    return Group(table, "", Text(legend, style="dim"))


def timed_files(place: Path, backend: str, timed: Sequence[Timed], warnings: Sequence[Diagnostic]) -> dict[str, bytes]:
    """`summary.json`, `iterations.csv`, `ranks.csv` and `manifest.json`, by name."""
    files = {
        "summary.json": json_bytes(timed_json(place, backend, timed)),
        "iterations.csv": _iterations_csv(timed),
        "ranks.csv": _ranks_csv(timed),
    }
    manifest = {
        "format": FORMAT,
        "moec": VERSION,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "files": sorted([*files, MANIFEST]),
        "backend": backend,
        "inputs": _inputs(place),
        "approximations": [{"code": w.code, "title": w.title} for w in warnings],
    }
    return {**files, MANIFEST: json_bytes(manifest)}


def _inputs(place: Path) -> dict[str, str]:
    """The compiled folder's manifest, which vouches for everything in it."""
    manifest = place / MANIFEST
    return {MANIFEST: hashlib.sha256(manifest.read_bytes()).hexdigest()} if manifest.is_file() else {}


def _iterations_csv(timed: Sequence[Timed]) -> bytes:
    """One row per iteration; its number is empty where the folder does not say."""
    numbers = [-1 if one.compiled.iteration is None else one.compiled.iteration for one in timed]
    return csv_bytes(
        {
            "folder": texts([one.compiled.folder.name for one in timed]),
            "iteration": integers(np.array(numbers, dtype=np.int64)),
            "phase": texts([one.compiled.phase or "" for one in timed]),
            "ranks": integers(np.array([one.compiled.ranks for one in timed], dtype=np.int64)),
            "time_ms": decimals(np.array([one.time_ns for one in timed], dtype=np.int64), 6),
            "exposed_ms": decimals(np.array([one.alone_ns for one in timed], dtype=np.int64), 6),
        }
    )


def _ranks_csv(timed: Sequence[Timed]) -> bytes:
    """When each rank of each iteration finished, and for how long it did not compute."""
    names = [one.compiled.folder.name for one in timed for _ in range(len(one.finish_ns))]
    return csv_bytes(
        {
            "folder": texts(names),
            "rank": integers(np.concatenate([np.arange(len(one.finish_ns), dtype=np.int64) for one in timed])),
            "finish_ms": decimals(np.concatenate([one.finish_ns for one in timed]), 6),
            "exposed_ms": decimals(np.concatenate([one.exposed_ns for one in timed]), 6),
        }
    )
