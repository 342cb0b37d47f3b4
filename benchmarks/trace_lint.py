"""Times `moec trace lint` on 2048 ranks of 1000 nodes, whole processes, with their peak memory.

python benchmarks/trace_lint.py [--repeats N] [--ranks N] [--nodes N]

No two traces are alike: every rank's kernels take other times. Between the kernels stand collectives of all ranks, of groups
of eight, and messages to the next rank and from the one before.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from moec.arrays import Ints
from moec.backends.astra.files.configs import configs
from moec.backends.astra.files.settings import AstraSettings
from moec.backends.astra.files.wiring import Dimension
from moec.compiler.chakra.node import GLOBAL_METADATA, CollectiveType, NodeType, collects, computes, moves, node
from moec.compiler.chakra.wire import Piece, render

MOEC = Path(sysconfig.get_path("scripts")) / "moec"
GROUP, LIMIT_S = 8, 30.0


def write(place: Path, ranks: int, nodes: int) -> None:
    """The trace set with its configurations: rounds of five nodes, each round after the one before."""
    first = 1 + 5 * np.arange(nodes // 5)
    times = np.random.default_rng(0).integers(1000, 2000, (ranks, len(first)))
    head = render(_round(first[:1], times[:, :1], ()), 1)
    rest = render(_round(first[1:], times[:, 1:], (first[1:] - 1,)), len(first) - 1)
    for rank in range(ranks):
        (place / f"t.{rank}.et").write_bytes(GLOBAL_METADATA + head.of(rank) + rest.of(rank))
    groups = {str(1 + i): list(range(i * GROUP, (i + 1) * GROUP)) for i in range(ranks // GROUP)}
    (place / "comm_groups.json").write_text(json.dumps(groups))
    dimensions = (Dimension("Switch", ranks, 50.0, 500.0, "a benchmark"),)
    direct = ("direct",)
    settings = AstraSettings("aware", ranks, dimensions, 8, 8, direct, direct, direct, None, custom=False)
    for name, text in configs(settings).items():
        (place / name).write_text(text)


def _round(first: Ints, times: Ints, before: tuple[Ints, ...]) -> list[Piece]:
    """A kernel, a collective of all, one of eight, a message to the next rank and one from the rank before."""
    rank = np.arange(len(times))[:, None]
    everybody = collects(CollectiveType.ALL_REDUCE, 1 << 22, None)
    some = collects(CollectiveType.ALL_GATHER, 1 << 16, 1 + rank // GROUP)
    sends = moves(NodeType.SEND, (rank + 1) % len(times), rank, 4096, first)
    receives = moves(NodeType.RECV, (rank - 1) % len(times), rank, 4096, first)
    return [
        *node(first, (b"kernel",), NodeType.COMP, (), before, computes(times)),
        *node(first + 1, (b"all",), NodeType.COLL, (), (first,), everybody),
        *node(first + 2, (b"group",), NodeType.COLL, (), (first + 1,), some),
        *node(first + 3, (b"send",), NodeType.SEND, (), (first + 2,), sends),
        *node(first + 4, (b"receive",), NodeType.RECV, (), (first + 2,), receives),
    ]


def lint(prefix: Path) -> tuple[float, float, float]:
    """Seconds by the clock and of a core, and MiB, of one process."""
    start = time.perf_counter()
    process = subprocess.Popen([str(MOEC), "trace", "lint", str(prefix), "--json"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"`moec trace lint` failed\n{text.decode()[:2000]}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main(arguments: Sequence[str]) -> None:
    """Prints one row: medians."""
    parser = argparse.ArgumentParser(description="Time the checking of traces.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--ranks", type=int, default=2048)
    parser.add_argument("--nodes", type=int, default=1000)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        write(Path(place), given.ranks, given.nodes)
        runs = [lint(Path(place) / "t") for _ in range(given.repeats)]
    seconds, core, mib = (statistics.median(column) for column in zip(*runs, strict=True))
    late = "" if seconds <= LIMIT_S else "  too slow"
    print(f"{'ranks':>6} {'nodes each':>11} {'process':>9} {'limit':>7} {'core':>9} {'peak':>10}")
    print(
        f"{given.ranks:>6} {given.nodes:>11} {seconds:>7.2f} s {LIMIT_S:>5.0f} s {core:>7.2f} s {mib:>6.0f} MiB{late}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
