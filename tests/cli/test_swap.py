"""A served workload whose cache is too small, from the summary to the traces of the iterations that move blocks."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

SPEC = """\
moe 1
use "std/models"
use "std/hardware" as hw
model olmoe = models.olmoe_1b_7b
cluster node { nodes = 1, node = hw.dgx_h100 }
parallelism spread { attention { dp = 8 } }
serving tight {
  scheduler { max_sequences = 16, max_batched_tokens = 1024 }
  kv_cache { blocks = 40, preemption = swap }
}
workload few {
  requests = lengths(input: 128 tokens, output: 60 tokens, count: 40)
  arrivals = burst()
}
experiment tiny { model = olmoe, cluster = node, parallelism = spread, serving = tight, workload = few }
"""
BLOCK = 16 * 16 * 2 * 16 * 128 * 2
"""16 tokens in 16 layers: keys and values of 16 heads of 128, two bytes each."""


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "swap.moe"
    path.write_text(SPEC)
    return path


def test_what_is_swapped_is_counted_and_written(moec, spec: Path, tmp_path: Path) -> None:
    run, traces = tmp_path / "run", tmp_path / "traces"
    assert moec("simulate", spec, "-o", run).code == 0
    summary = json.loads((run / "summary.json").read_text())
    rows = table(run / "iterations.csv")
    out, back = ({r["iteration"]: int(r[f"swapped_{way}_bytes"]) for r in rows} for way in ("out", "in"))

    assert summary["preemptions"] == summary["preemptions_swapped"] > 0
    assert summary["preemptions_recomputed"] == 0
    assert summary["swapped_out_bytes"] == sum(out.values()) == sum(back.values()) == summary["swapped_in_bytes"]
    assert all(size % BLOCK == 0 for size in (*out.values(), *back.values()))
    assert sum(int(r["preemptions"]) for r in table(run / "requests.csv")) == summary["preemptions"]

    first = next(i for i, size in out.items() if size)
    last = [i for i, size in back.items() if size][-1]
    assert moec("compile", spec, "-o", traces, "--iterations", f"{first},{last}").code == 0
    rows = json.loads((traces / "manifest.json").read_text())["iterations"]
    carried = [(row["bytes"].get("store", 0), row["bytes"].get("load", 0)) for row in rows]
    assert carried == [(out[first], back[first]), (out[last], back[last])]


def test_a_full_host_is_said(moec, spec: Path, tmp_path: Path) -> None:
    """Each device has room for 10 blocks: one of the requests that are preempted fits, the next one does not."""
    host = f"host {{ memory = {8 * 10 * BLOCK} B, bandwidth = 200 GB/s }}"
    spec.write_text(SPEC.replace("hw.dgx_h100 }", f"hw.dgx_h100 {{ {host} }} }}"))

    ran = moec("simulate", spec, "-o", tmp_path / "run")

    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert ran.code == 0
    assert summary["preemptions_swapped"] > 0
    assert summary["preemptions_recomputed"] > 0
    assert "recomputed: host memory was full)" in ran.out


def test_without_swapping_the_summary_does_not_speak_of_it(moec, spec: Path) -> None:
    ran = moec("simulate", spec, "--set", "serving.kv_cache.preemption=recompute", "--json")

    assert ran.json["preemptions"] > 0
    assert not [key for key in ran.json if "swapped" in key]
