"""Compares the library's scale-up links with measured NCCL times, one line per GPU (docs/network.md has the table).

    python scripts/check_nccl.py aic_nccl_alpha_beta.csv

The file has one row per GPU, collective and number of GPUs, with microseconds at 8 KB, 64 KB, 1 MB, 16 MB and 256 MB; it is
derived from the NCCL tables of aiconfigurator-core 0.12.0 (NVIDIA, Apache-2.0). Nothing is fitted here: links are those of
`std/hardware`. Left out: L40S with 4 and 8 GPUs, whose traffic crosses the bridges of the measured host.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from moec.backends.network.alpha_beta import Network, Tier, alltoall_ns, collective_ns
from moec.compiler.ir.graph import Outer
from moec.dsl.load import load_text
from moec.dsl.schema import Link

LINKS = {
    "a100_sxm": "nvlink3", "h100_sxm": "nvlink4", "h200_sxm": "nvlink4", "b200_sxm": "nvlink5", "b300_sxm": "nvlink5",
    "gb200": "nvlink5", "gb300": "nvlink5", "rtx_pro_6000_server": "pcie5", "l40s": "pcie4",
}  # fmt: skip
SIZES = {"us_8KB": 2**13, "us_64KB": 2**16, "us_1MB": 2**20, "us_16MB": 2**24, "us_256MB": 2**28}


def library_link(name: str) -> Link:
    """A link of std/hardware."""
    text = (
        'moe 1\nuse "std/models"\nuse "std/hardware" as hw\n'
        f"device d = hw.h100 {{ link = hw.{name} }}\nnode n {{ device = d, devices = 1 }}\ncluster c {{ nodes = 1, node = n }}\n"
        "parallelism p { }\nexperiment e { model = models.olmoe_1b_7b, cluster = c, parallelism = p }\n"
    )
    experiment, report = load_text(text, "link.moe")
    assert experiment is not None, report
    link = experiment.cluster.node.device.link
    assert link is not None
    return link


def model_us(op: str, gpus: int, size: float, link: Link) -> float:
    """The time of one collective on `gpus` devices of a switched node."""
    tier = Tier(link.bandwidth * link.efficiency / 1e9, link.latency * 1e9, link.launch * 1e9)
    net, members = Network(tier, None, gpus), np.arange(gpus)[None]
    if op == "alltoall":
        even = Outer(np.full((1, 1, gpus), size), np.full((1, 1, gpus), 1 / gpus), np.ones(1))
        return float(alltoall_ns(even, members, net).ravel()[0]) / 1e3
    return float(collective_ns(op, np.array([size]), members, net).ravel()[0]) / 1e3  # type: ignore[arg-type]


def errors(file: Path) -> Iterator[tuple[str, str, float]]:
    """GPU, size and model ÷ measured − 1 of every figure."""
    links = {gpu: library_link(name) for gpu, name in LINKS.items()}
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            gpu, gpus = row["system"], int(row["num_gpus"])
            if gpu in links and not (gpu == "l40s" and gpus > 2):
                for column, size in SIZES.items():
                    yield gpu, column, model_us(row["op_name"], gpus, size, links[gpu]) / float(row[column]) - 1


def main() -> None:
    """Prints the table."""
    by_gpu: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for gpu, column, error in errors(Path(sys.argv[1])):
        by_gpu[gpu][column].append(error)
        by_gpu["all"][column].append(error)
    print(f"{'median / 90th percentile |error| in % (bias)':46}" + "".join(f"{c[3:]:>15}" for c in SIZES))
    for gpu in [*LINKS, "all"]:
        parts = [np.concatenate([*by_gpu[gpu].values()]), *(np.array(by_gpu[gpu][c]) for c in SIZES)]
        cells = [
            f"{100 * np.median(abs(e)):.0f} / {100 * np.quantile(abs(e), 0.9):.0f} ({100 * np.median(e):+.0f})"
            for e in parts
        ]
        print(f"{gpu:22}{LINKS.get(gpu, ''):9}{cells[0]:>15}" + "".join(f"{c:>15}" for c in cells[1:]))


if __name__ == "__main__":
    main()
