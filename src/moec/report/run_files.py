"""The files that a run leaves: `summary.json`, `requests.csv`, `iterations.csv` and `manifest.json`."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from moec.compiler.evidence import OpEvidence
from moec.diagnostics import Diagnostic
from moec.dsl.schema import Experiment
from moec.report.csv_text import csv_bytes, decimals, integers, texts
from moec.report.metrics import tally_json
from moec.report.output_folder import FORMAT, MANIFEST
from moec.serving.results import IterationTable, RequestTable, Results
from moec.version import VERSION


def run_files(
    experiment: Experiment,
    results: Results,
    summary: Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    costs: Mapping[str, str] | None = None,
    warnings: Sequence[Diagnostic] = (),
) -> dict[str, bytes]:
    """File name -> content. All but `summary.json` (it has `wall_s`) depend on the specification and the seed alone.

    `costs` maps an op to the evidence level of its time (of most of its times, where a run has counted); `warnings` are what a backend could only approximate.
    """
    files = {
        "summary.json": json_bytes(summary),
        "requests.csv": requests_csv(results.requests),
        "iterations.csv": iterations_csv(results.iterations),
    }
    manifest = {
        **provenance(experiment, overrides),
        "files": sorted([*files, MANIFEST]),
        "backend": results.backend,
        **({"timed": tally_json(results.tally)} if results.tally else {}),
        "costs": {**(costs or {}), **{op: e.level for op, e in results.evidence.items()}},
        "evidence": {op: evidence_json(e) for op, e in results.evidence.items()},
        "approximations": [{"code": w.code, "title": w.title} for w in warnings],
    }
    return {**files, MANIFEST: json_bytes(manifest)}


def provenance(experiment: Experiment, overrides: Sequence[str]) -> dict[str, Any]:
    """What a manifest begins with: whose files these are, and what they were made from."""
    return {
        "format": FORMAT,
        "moec": VERSION,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "experiment": experiment.name,
        "seed": experiment.seed,
        "overrides": list(overrides),
        "inputs": dict(sorted(experiment.files.items())),
    }


def evidence_json(evidence: OpEvidence) -> dict[str, Any]:
    """Kernels by evidence level, and the bounds of the measurements that were passed."""
    beyond = [
        {"axis": x.axis, "measured_from" if x.below else "measured_to": x.limit, "used": x.used, "kernels": x.times}
        for x in evidence.beyond
    ]
    return {**evidence.counts, **({"beyond": beyond} if beyond else {})}


def requests_csv(table: RequestTable) -> bytes:
    """One row per request in arrival order; a cell stays empty for what never happened (or has no meaning)."""
    finished = table.finish_ns >= 0
    after_first = table.output_tokens - 1
    tpot = np.divide(
        table.finish_ns - table.first_token_ns,
        after_first,
        out=np.full(len(finished), -1.0),
        where=finished & (after_first > 0),
    )
    columns = {
        "request_id": texts(table.request_id),
        "arrival_s": decimals(table.arrival_ns, 9),
        "input_tokens": integers(table.input_tokens),
        "output_tokens": integers(table.output_tokens),
        "ttft_ms": decimals(_since(table.arrival_ns, table.first_token_ns), 6),
        "tpot_ms": decimals(np.rint(tpot).astype(np.int64), 6),
        "e2el_ms": decimals(_since(table.arrival_ns, table.finish_ns), 6),
        "queue_ms": decimals(_since(table.arrival_ns, table.scheduled_ns), 6),
        "instance": integers(table.instance),
        "dp_rank": integers(table.dp_rank),
        "cached_tokens": integers(table.cached_tokens),
        "preemptions": integers(table.preemptions),
    }
    return csv_bytes(columns)


def iterations_csv(table: IterationTable) -> bytes:
    """One row per iteration in start order; `device_ms` is the part of it that the devices worked."""
    columns = {
        "iteration": integers(np.arange(len(table.start_ns), dtype=np.int64)),
        "instance": integers(table.instance),
        "start_s": decimals(table.start_ns, 9),
        "duration_ms": decimals(table.end_ns - table.start_ns, 6),
        "device_ms": decimals(table.device_ns, 6),
        "prefill_tokens": integers(table.prefill_tokens),
        "decode_tokens": integers(table.decode_tokens),
        "running": integers(table.running),
        "waiting": integers(table.waiting),
        "kv_blocks_used": integers(table.kv_blocks_used),
        "swapped_out_bytes": integers(table.swapped_out_bytes),
        "swapped_in_bytes": integers(table.swapped_in_bytes),
    }
    return csv_bytes(columns)


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """Indented UTF-8 JSON with a newline at the end, keys in the order given."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _since(start_ns: np.ndarray[Any, Any], end_ns: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Elapsed time; -1 where it never ended."""
    return np.where(end_ns >= 0, end_ns - start_ns, -1)
