"""How well profiles are interpolated, and how far the roofline is from them, op by op.

    python scripts/check_profiles.py PROFILES

`PROFILES` holds folders like those of LLMServingSim 2.0's profiler (`GPU--model/tpN/dense.csv` and so on); the second table
is for the two models that it publishes for vLLM 0.19 on RTX PRO 6000 Blackwell.

First table: relative errors of times that were left out and then looked up. Of one-dimensional tables and of `moe.csv`
each inner point is left out alone. Of attention, every second inner plane of an axis is left out at once, then the others:
along that axis the grid is half as fine as it is in use.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from moec.compiler.costs import cost_model
from moec.compiler.costs.profile.axis import on_point
from moec.compiler.costs.profile.bundle_files import FAMILY, Rows, read_file
from moec.compiler.costs.profile.curve import Curve
from moec.compiler.costs.profile.grid import Grid, Point
from moec.compiler.costs.profile.plane import Plane
from moec.compiler.costs.roofline import Roofline
from moec.compiler.ir.batch import Batch, RankBatch
from moec.compiler.ir.graph import Compute
from moec.compiler.lower import context_of, lower, program_of
from moec.compiler.routing.law import routing_law
from moec.diagnostics.csv_records import Source
from moec.dsl.load import load_text

AXES = ("prompt tokens", "tokens cached before", "decode tokens", "context of decode tokens")
MODELS = {"Llama-3.1-8B": "llama_3_1_8b", "Qwen3-30B-A3B-Instruct-2507": "qwen3_30b_a3b"}
FILE = """moe 1
use "std/models"
use "std/hardware" as hw
cluster one {{ nodes = 1, node = hw.rtx_pro_6000_x1 }}
experiment e {{ model = models.{model}, cluster = one, costs = profile(folder: "{folder}", gap: 0 us) }}
"""


def rows_of(folder: Path, file: str) -> Rows:
    """A file of a bundle."""
    rows, found = read_file(Source(str(folder / file), ".", "the profile", None, FAMILY), file)
    if rows is None:
        raise SystemExit(found[0].title)
    return rows


def curves(folder: Path, file: str) -> np.ndarray:
    """Errors of the inner points of every layer."""
    errors = []
    for _, points, times in rows_of(folder, file).layers():
        for i in range(1, len(points) - 1):
            rest = Curve("", np.delete(points, i), np.delete(times, i))
            errors.append(float(rest.at(points[i : i + 1])[0] / times[i] - 1))
    return np.array(errors)


def experts(folder: Path) -> np.ndarray:
    """Errors of the points with a neighbour on either side along the tokens."""
    tokens, active, times = rows_of(folder, "moe.csv").numbers().T
    errors = []
    for i in range(len(tokens)):
        alike = tokens[active == active[i]]
        if alike.min() < tokens[i] < alike.max():
            keep = np.arange(len(tokens)) != i
            rest = Plane.of(tokens[keep], active[keep], times[keep])
            errors.append(float(rest.at(tokens[i : i + 1], active[i : i + 1])[0] / times[i] - 1))
    return np.array(errors)


def attention(folder: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Axis, kind of batch, errors."""
    rows = rows_of(folder, "attention.csv").numbers()
    for axis, name in enumerate(AXES):
        errors, kinds = [], []
        points = np.unique(rows[:, axis])
        inner = points[(1 if points[0] else 2) : -1]
        for left_out in (inner[::2], inner[1::2]):
            out = on_point(left_out, rows[:, axis])
            grid = Grid.of(rows[~out])
            mine = rows[out]
            found = grid.at(Point(*mine.T[:4]))
            inside = ~grid.outside(Point(*mine.T[:4]))
            errors.append((found / mine[:, 4] - 1)[inside])
            kinds.append(np.where(mine[:, 2] == 0, "prompts", np.where(mine[:, 0] == 0, "decode", "mixed"))[inside])
        error, kind = np.concatenate(errors), np.concatenate(kinds)
        yield from ((name, k, error[kind == k]) for k in ("prompts", "decode", "mixed") if (kind == k).any())


def left_out(folder: Path) -> Iterator[str]:
    """The first table's lines for one degree of a bundle."""
    label = f"{folder.parent.name.partition('--')[2]}, {folder.name}"
    for file in ("dense.csv", "per_sequence.csv"):
        yield line(f"{label} | {file}", curves(folder, file))
    if (folder / "moe.csv").is_file():
        yield line(f"{label} | moe.csv", experts(folder))
    for axis, kind, errors in attention(folder):
        yield line(f"{label} | attention.csv, {kind}: {axis}", errors)


def line(label: str, errors: np.ndarray) -> str:
    """Number, mean, median, 90th percentile of the size, and mean with sign."""
    size = np.abs(errors)
    figures = (size.mean(), np.median(size), np.quantile(size, 0.9), errors.mean())
    return f"| {label} | {len(errors):,} | " + " | ".join(f"{x:.1%}" for x in figures) + " |"


def requests(decodes: int, prompt: int) -> Batch:
    """Decode tokens with contexts around 1,000 tokens, beside a prompt."""
    new = np.array([1] * decodes + [prompt] * (prompt > 0), dtype=np.int64)
    context = np.array([500 + 1000 * i // max(decodes, 1) for i in range(decodes)] + [0] * (prompt > 0), dtype=np.int64)
    return (RankBatch(new, context),)


BATCHES = {
    "1 decode": requests(1, 0), "16": requests(16, 0), "128": requests(128, 0), "prompt of 512": requests(0, 512),
    "2,048": requests(0, 2048), "128 and a prompt of 1,024": requests(128, 1024),
}  # fmt: skip


def against_roofline(bundle: Path, model: str) -> Iterator[str]:
    """The second table's lines for one model: the profile's time of an op and the roofline's ÷ it, for every batch."""
    experiment, report = load_text(FILE.format(model=model, folder=bundle))
    assert experiment is not None, report
    profile, found = cost_model(experiment)
    assert profile is not None, found
    law, _ = routing_law(experiment)
    programs = [program_of(context_of(experiment, costs, law)) for costs in (profile, Roofline())]
    cells: dict[str, list[str]] = {}
    for batch in BATCHES.values():
        measured, modelled = ({}, {})
        for program, times in zip(programs, (measured, modelled), strict=True):
            for block in lower(program, batch).blocks:
                for op in block.ops:
                    if isinstance(op.work, Compute):
                        times[op.name] = float(np.max(op.work.cost.time_ns)) / 1e3
        for op, time in measured.items():
            cells.setdefault(op, []).append(f"{time:,.1f} ×{modelled[op] / time:.2f}")
    for op, row in cells.items():
        yield f"| {op} | " + " | ".join(row) + " |"


def main() -> None:
    """Prints both tables as Markdown."""
    parser = argparse.ArgumentParser(description="errors of profiles' interpolation, and the roofline against profiles")
    parser.add_argument("profiles", type=Path)
    folder = parser.parse_args().profiles.resolve()
    print(
        "| profile | table | points | mean | median | 90 % | mean with sign |\n" + "| --- | --- " + "| ---: " * 5 + "|"
    )
    for bundle in sorted(folder.iterdir()):
        for degree in sorted(bundle.glob("tp*")):
            print("\n".join(left_out(degree)))
    for bundle in sorted(folder.iterdir()):
        model = MODELS.get(bundle.name.partition("--")[2])
        if model is not None:
            print(f"\n{bundle.name}\n\n| op | " + " | ".join(BATCHES) + " |\n| --- " + "| ---: " * len(BATCHES) + "|")
            print("\n".join(against_roofline(bundle, model)))


if __name__ == "__main__":
    main()
