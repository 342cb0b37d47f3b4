"""What a validation prints and writes: JSON, CSV and a table."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from moec.dsl.schema import Experiment
from moec.report.output_folder import MANIFEST
from moec.report.run_files import json_bytes, provenance
from moec.report.style import plain_table
from moec.report.wording import plan_name
from moec.serving.results import Results
from moec.study.validation.compare import LATENCIES, STATISTICS, Comparison
from moec.study.validation.queue_curves import Curves
from moec.study.validation.recorded import Recorded
from moec.study.validation.verdict import Check

CURVES = ("running", "waiting")


@dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """A comparison with its verdict."""

    experiment: Experiment
    run: Recorded
    results: Results
    comparison: Comparison
    curves: Curves
    checks: tuple[Check, ...]

    @property
    def met(self) -> bool:
        """All within their bands."""
        return all(check.met for check in self.checks)


def summary_of(v: Validation) -> dict[str, Any]:
    """The object of `--json` and `validation.json`; latencies in milliseconds, errors as shares."""
    figures = {
        f.name + ("_ms" if f.unit == "s" and f.name != "makespan" else ""): {
            "recorded": f.recorded * scale,
            "simulated": f.simulated * scale,
            "error": f.error,
        }
        for f in v.comparison.figures.values()
        for scale in (1e3 if f.unit == "s" and f.name != "makespan" else 1.0,)
    }
    return {
        "experiment": v.experiment.name,
        "against": v.run.requests_file,
        "requests": len(v.run.request_id),
        "met": v.met,
        "verdict": {c.name: {"error": c.error, "band": c.band, "met": c.met} for c in v.checks},
        "figures": figures,
        "mape": {name: each.mape for name, each in v.comparison.each.items()},
        "curves": {name: {"mean_absolute_difference": v.curves.distance(name)} for name in CURVES},
        "clock_shift_s": v.run.shift,
        "iterations": len(v.results.iterations.start_ns),
        "kv_blocks": v.results.kv_blocks,
        "preemptions": v.results.preemptions,
        "backend": v.results.backend,
        "seed": v.results.seed,
        "wall_s": v.results.wall_s,
    }


def files_of(v: Validation, overrides: Sequence[str]) -> dict[str, bytes]:
    """The files of `-o DIR`."""
    files = {
        "validation.json": json_bytes(summary_of(v)),
        "figures.csv": _csv(
            ("figure", "unit", "recorded", "simulated", "error"),
            [(f.name, f.unit, f.recorded, f.simulated, f.error) for f in v.comparison.figures.values()],
        ),
        "requests.csv": _requests(v),
        "curves.csv": _csv(("t_s", *v.curves.columns), list(zip(v.curves.t, *v.curves.columns.values(), strict=True))),
    }
    manifest = {
        **provenance(v.experiment, overrides),
        "recorded": dict(v.run.hashes),
        "files": sorted([*files, MANIFEST]),
        "backend": v.results.backend,
    }
    return {**files, MANIFEST: json_bytes(manifest)}


def _requests(v: Validation) -> bytes:
    table, each = v.results.requests, v.comparison.each
    sides = [(name, side) for name in each for side in ("recorded", "simulated", "error")]
    header = (
        "request_id",
        "input_tokens",
        "output_tokens",
        *(f"{name}_{side}" + "_s" * (side != "error") for name, side in sides),
    )
    columns = [getattr(each[name], side) for name, side in sides]
    rows = zip(table.request_id, table.input_tokens, table.output_tokens, *columns, strict=True)
    return _csv(header, list(rows))


def _csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([[_cell(value) for value in row] for row in rows])
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.9g}"


def report_of(v: Validation) -> RenderableType:
    """What fits on a screen: errors by figure, the curves, the verdict."""
    return Group(_headline(v), "", _latencies(v), "", _totals(v), "", _verdict(v))


def _headline(v: Validation) -> Text:
    model = v.experiment.names.get("model", "model")
    text = Text.assemble(
        (f"{v.experiment.name}: ", "bold"), (model, "bold cyan"), " on ", plan_name(v.experiment), "\n"
    )
    return text.append(f"{len(v.run.request_id):,} requests beside those recorded in {v.run.requests_file}")


def _latencies(v: Validation) -> Table:
    table = plain_table("simulated ÷ recorded", "recorded", "simulated", *STATISTICS, "per request")
    for name, each in v.comparison.each.items():
        mean = v.comparison.figures[f"mean_{name}"]
        errors = (v.comparison.figures[f"{statistic}_{name}"].error for statistic in STATISTICS)
        cells = (_ms(mean.recorded), _ms(mean.simulated), *map(_signed, errors), f"{each.mape:.1%}")
        table.add_row(LATENCIES[name], *cells)
    return table


def _totals(v: Validation) -> Table:
    table = plain_table("", "recorded", "simulated", "error")
    for name, label in (("makespan", "makespan, s"), ("output_throughput", "output tokens/s")):
        f = v.comparison.figures[name]
        table.add_row(label, f"{f.recorded:,.2f}", f"{f.simulated:,.2f}", _signed(f.error))
    for name in CURVES:
        sides = (float(v.curves.columns[f"{name}_{side}"].mean()) for side in ("recorded", "simulated"))
        table.add_row(f"{name}, mean of 1 s ticks", *(f"{x:,.1f}" for x in sides), f"± {v.curves.distance(name):,.1f}")
    return table


def _verdict(v: Validation) -> Table:
    table = plain_table("verdict", "error", "band", "")
    for c in v.checks:
        word = Text("met" if c.met else "missed", "green" if c.met else "red")
        table.add_row(c.what, f"{c.error:.1%}" if c.name.endswith("mape") else _signed(c.error), f"{c.band:.0%}", word)
    return table


def _signed(share: float) -> str:
    return f"{share:+.1%}"


def _ms(seconds: float) -> str:
    value = seconds * 1e3
    return f"{value:,.0f} ms" if value >= 1000 else f"{value:.1f} ms" if value >= 100 else f"{value:.2f} ms"
