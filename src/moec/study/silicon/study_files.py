"""The comparison as files: every row in CSV, the scores in JSON."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from io import StringIO
from typing import Any

from moec.report.output_folder import FORMAT, MANIFEST
from moec.study.silicon.replay import Replayed
from moec.study.silicon.scores import OTHERS, Score, by_engine, by_gpu, reasons, score, scores
from moec.version import VERSION

ROWS, SUMMARY = "rows.csv", "summary.json"

COLUMNS = (
    "id", "model", "gpu", "engine", "version", "precision", "isl", "osl", "concurrency", "tp", "dp", "expert_tp", "ep",
    "measured_ttft_ms", "measured_tpot_ms", "ttft_ms", "tpot_ms", "ttft_error", "tpot_error", "why_not",
)  # fmt: skip


def summary(found: Sequence[Replayed], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The scores, the reasons and the other estimator's figures; None where there is no figure."""
    compared = [x for x in found if not x.why]
    return {
        "moec": VERSION,
        **settings,
        "rows": len(found),
        "compared": len(compared),
        "all": _plain(score(("all",), found)),
        "by_gpu": [_plain(s) for s in scores(found, by_gpu)],
        "by_engine": [_plain(s) for s in scores(found, by_engine)],
        "not_compared": dict(reasons(found).most_common()),
        "aiconfigurator": OTHERS,
    }


def _plain(s: Score) -> dict[str, Any]:
    return {k: _figure(v) for k, v in asdict(s).items()}


def _figure(value: Any) -> Any:
    """Five digits are more than there is to know."""
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.5g}")
    return list(value) if isinstance(value, tuple) else value


def study_files(found: Sequence[Replayed], figures: Mapping[str, Any]) -> dict[str, bytes]:
    """File name -> content."""
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(_cells(x) for x in found)
    manifest = {"format": FORMAT, "moec": VERSION, "files": sorted([ROWS, SUMMARY, MANIFEST])}
    return {ROWS: text.getvalue().encode(), SUMMARY: _json(figures), MANIFEST: _json(manifest)}


def _cells(x: Replayed) -> list[Any]:
    r = x.row
    times = (x.ttft_ms, x.tpot_ms, x.ttft_error, x.tpot_error)
    return [
        r.id, r.model, r.gpu, r.engine, r.version, r.precision, r.isl, r.osl, r.concurrency, r.tp, r.dp, r.expert_tp, r.ep,
        r.ttft_ms, r.tpot_ms, *("" if math.isnan(v) else f"{v:.5g}" for v in times), x.why,
    ]  # fmt: skip


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
