"""The rows of `silicon_sample.csv`: one measured serving run each, and which of them contradict themselves or each other."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FILE = "silicon_sample.csv"

SAME = {"deepseek-ai/DeepSeek-V3": "deepseek-ai/DeepSeek-R1"}
"""One architecture, one set of runs: the dumps name either."""


@dataclass(frozen=True, slots=True)
class Row:
    """One aggregated run. `tp`, `dp`: of attention; `expert_tp`, `ep`: of the experts; 0: not told.

    `concurrency` requests were in flight, of `isl` prompt tokens and `osl` generated ones, nominally. `source` says who measured.
    """

    id: str
    source: str
    engine: str
    version: str
    model: str
    gpu: str
    precision: str
    isl: int
    osl: int
    concurrency: int
    tp: int
    dp: int
    expert_tp: int
    ep: int
    pp: int
    ttft_ms: float
    tpot_ms: float

    @property
    def setting(self) -> tuple[object, ...]:
        """All but the concurrency and the figures: what a curve over concurrencies has in common."""
        return (
            self.engine, self.version, SAME.get(self.model, self.model), self.gpu, self.precision, self.isl, self.osl, self.tp, self.dp,
            self.expert_tp, self.ep, self.pp,
        )  # fmt: skip

    @property
    def measured(self) -> str:
        """The day, as `2026-03-25`; empty when it is not told."""
        told = re.search(r"measured=(\d{4}-\d{2}-\d{2})", self.source)
        return told[1] if told else ""

    @property
    def inference_max(self) -> bool:
        """Whether it comes from InferenceMAX (now InferenceX), whose scripts are public."""
        return self.source.startswith(("db-dump/", "source_file=2026-")) or "config_id=" in self.source


def read_rows(root: Path) -> list[Row]:
    """The aggregated runs of the package, in its order."""
    with (root / FILE).open(newline="", encoding="utf-8") as file:
        return [_row(cells) for cells in csv.DictReader(file) if cells["mode"] == "agg"]


def _row(cells: dict[str, str]) -> Row:
    source = cells["silicon_data_source"]
    told = re.search(r"silicon_concurrency=(\d+)", source)
    return Row(
        cells["id"], source, cells["backend"], cells["backend_version"], cells["model_path"], cells["system"],
        cells["precision"], _whole(cells["isl"]), _whole(cells["osl"]),
        int(told[1]) if told else _whole(cells["batch_size"]),
        _whole(cells["tp_size"]), max(1, _whole(cells["attention_dp_size"])),
        _whole(cells["moe_tp_size"]), _whole(cells["moe_ep_size"]), _whole(cells["pp_size"]),
        float(cells["silicon_ttft_ms"] or "nan"), float(cells["silicon_tpot_ms"] or "nan"),
    )  # fmt: skip


def _whole(cell: str) -> int:
    return int(float(cell)) if cell else 0


NEAR = 0.15
"""How far repeats of one run may lie apart, in time per output token."""
DIP = 0.10
"""How much faster a run with more requests in flight may be, in time per output token."""


def suspicions(rows: Sequence[Row]) -> dict[str, str]:
    """Row id -> why it is left out, of the rows that cannot all be true. Nothing here knows a prediction.

    - `impossible`: no positive times, or a token sooner than any of the GPUs can read its share of a vocabulary's width;
    - `duplicate`: the same run again to two decimals (dumps of one database that overlap);
    - `disagrees`: repeats of one run whose times per output token lie more than 15 % from their median;
    - `dips`: more than 10 % faster than a run of the same setting with fewer requests in flight.
    """
    found: dict[str, str] = {}
    for row in rows:
        if not (row.ttft_ms > 0 and row.tpot_ms > 0) or row.tpot_ms < 0.5:
            found[row.id] = "impossible: no such times"
    good = [row for row in rows if row.id not in found]
    found |= _duplicates(good)
    good = [row for row in good if row.id not in found]
    found |= _disagreements(good)
    found |= _dips([row for row in good if row.id not in found])
    return found


def _groups(rows: Iterable[Row], *, by_concurrency: bool) -> Iterator[list[Row]]:
    groups = defaultdict(list)
    for row in rows:
        groups[(*row.setting, row.concurrency if by_concurrency else None)].append(row)
    yield from groups.values()


def _duplicates(rows: Iterable[Row]) -> dict[str, str]:
    found = {}
    for group in _groups(rows, by_concurrency=True):
        first: list[Row] = []
        for row in group:
            if any(_same(row.ttft_ms, x.ttft_ms) and _same(row.tpot_ms, x.tpot_ms) for x in first):
                found[row.id] = "duplicate: the same figures again"
            else:
                first.append(row)
    return found


def _same(a: float, b: float) -> bool:
    return abs(a - b) <= 0.00501


def _disagreements(rows: Iterable[Row]) -> dict[str, str]:
    found = {}
    for group in _groups(rows, by_concurrency=True):
        middle = sorted(r.tpot_ms for r in group)[(len(group) - 1) // 2]
        for row in group:
            if abs(row.tpot_ms / middle - 1) > NEAR:
                found[row.id] = f"disagrees: {row.tpot_ms:.1f} ms where repeats have {middle:.1f} ms"
    return found


def _dips(rows: Iterable[Row]) -> dict[str, str]:
    found = {}
    for group in _groups(rows, by_concurrency=False):
        ahead: float = 0.0
        for row in sorted(group, key=lambda r: r.concurrency):
            if row.tpot_ms < ahead * (1 - DIP):
                found[row.id] = f"dips: {row.tpot_ms:.1f} ms after {ahead:.1f} ms with fewer requests in flight"
            ahead = max(ahead, row.tpot_ms)
    return found
