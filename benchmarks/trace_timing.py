"""Times the replay of trace sets side by side with the real simulator: CPU seconds, memory, and whether all ranks agree.

CPU seconds (user and system; both sides have one busy thread), so that others on the machine do not count.

MOEC_ASTRA_SIM=... python benchmarks/trace_timing.py [--ranks 16 64 256 1024] [--case NAME ...] [--grid] [--folder DIR]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from moec.backends.astra.simulator.output import parse
from moec.compiler.chakra.node import GLOBAL_METADATA, CollectiveType, NodeType, collects, computes, node
from moec.compiler.chakra.wire import render

MOEC = Path(sysconfig.get_path("scripts")) / "moec"
SYSTEM = {
    "scheduling-policy": "LIFO",
    "endpoint-delay": 10,
    "active-chunks-per-dimension": 1,
    "preferred-dataset-splits": 1,
    "all-reduce-implementation": ["ring"],
    "all-gather-implementation": ["ring"],
    "reduce-scatter-implementation": ["ring"],
    "all-to-all-implementation": ["direct"],
    "collective-optimization": "localBWAware",
    "local-mem-bw": 100000,
    "roofline-enabled": 1,
    "peak-perf": 0.0009999999999999,
}
KINDS = ("alike", "numbered", "staggered")
"""All files equal; nodes numbered on from rank to rank, as upstream's generators do; kernels that differ between ranks."""
GRID = (
    (CollectiveType.ALL_REDUCE, ("ring", "direct", "halvingDoubling", "doubleBinaryTree")),
    (CollectiveType.ALL_TO_ALL, ("ring", "direct")),
)
"""Algorithms; each on three topologies, with one and with four pieces at once, for both simulators."""
MOST_MESSAGES = 25_000_000
"""Per run of the simulator: layers are left out beyond. All ten at 1024 ranks take it some minutes, and 4 GiB."""
WORKER = """
import json, resource, sys, time
from moec import time_traces
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
import moec.backends.astra.replay.run, moec.backends.astra.replay.coarse, moec.backends.astra.replay.machine
before, start = peak(), time.thread_time()
timing = time_traces(sys.argv[1], **json.loads(sys.argv[2]))
print(json.dumps([time.thread_time() - start, peak() - before, list(timing.finish_ns), timing.events]))
"""
"""A call by itself: the seconds of its own thread, since those of numpy's OpenBLAS spin for a while after the import."""
LAUNCHER = """
import os, sys
quiet = [(os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(pid, 0)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, status, file=sys.stderr)
"""
"""Starts a process and says what it took. Linux counts the memory of the one that starts it into a process's peak: this
one is 9 MiB, smaller than anything measured here, where the benchmark itself is not.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A collective in every layer; `pieces` of it run at once."""

    collective: CollectiveType
    algorithm: str
    topology: str = "Switch"
    congestion: str = "aware"
    pieces: int = 1

    def __str__(self) -> str:
        name = f"{self.collective.name.lower().replace('_', '-')} {self.algorithm}"
        return name if self.topology == "Switch" else f"{name}, {self.topology}"

    def system(self) -> dict[str, object]:
        """The system file."""
        names = {key: [self.algorithm] for key in SYSTEM if key.endswith("-implementation")}
        pieces = dict.fromkeys(("active-chunks-per-dimension", "preferred-dataset-splits"), self.pieces)
        return {**SYSTEM, **names, **pieces}


CASES = {
    "all-reduce ring": Case(CollectiveType.ALL_REDUCE, "ring"),
    "all-to-all direct": Case(CollectiveType.ALL_TO_ALL, "direct"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """CPU seconds and MiB: the simulator's process, the call in process (after imports), and the process `moec trace time`."""

    name: str
    ranks: int
    layers: int
    theirs: tuple[float, float]
    call: tuple[float, float]
    process: tuple[float, float]
    equal: bool
    events: bool


def main(arguments: Sequence[str]) -> None:
    """Prints one row per case."""
    parser = argparse.ArgumentParser(description="Time the replay of trace sets beside the real simulator.")
    parser.add_argument("--ranks", type=int, nargs="+", default=[16, 64, 256, 1024])
    parser.add_argument("--case", choices=CASES, nargs="+", default=list(CASES))
    parser.add_argument("--kind", choices=KINDS, nargs="+", default=["alike"])
    parser.add_argument("--grid", action="store_true", help="All algorithms, topologies and both simulators instead.")
    parser.add_argument("--folder", type=Path, help="Also a folder of `moec compile`.")
    options = parser.parse_args(arguments)
    print(
        f"{'set':<58} {'ranks':>5} {'layers':>6} {'simulator':>17} {'moec, call':>19} {'times faster':>12} {'moec, process':>17}"
    )
    ratios = []
    for name, ranks, layers, congestion, prefix in _sets(options):
        with prefix as place:
            row = _run(name, ranks, layers, place, congestion)
        print(_line(row), flush=True)
        ratios.append(row.theirs[0] / row.call[0])
    print(f"{len(ratios)} sets: least {min(ratios):.2f}, median {statistics.median(ratios):.1f} times faster")


def _sets(options: argparse.Namespace) -> Iterator[tuple[str, int, int, str, _Place]]:
    for case in _grid() if options.grid else [CASES[name] for name in options.case]:
        for kind in options.kind:
            for ranks in options.ranks:
                messages = (1 + (case.collective == CollectiveType.ALL_REDUCE)) * ranks * (ranks - 1)
                layers = max(1, min(10, MOST_MESSAGES // messages))
                name = f"{case}, {kind}" + f", {case.congestion}, {case.pieces}" * options.grid
                yield name, ranks, layers, case.congestion, _Written(case, kind, ranks, layers)
    if options.folder:
        ranks = len(list(options.folder.glob("moec.*.et")))
        yield options.folder.name, ranks, 1, "aware", _Place(options.folder.absolute() / "moec")


def _grid() -> list[Case]:
    ways = itertools.product(("Ring", "FullyConnected", "Switch"), ("aware", "unaware"), (1, 4))
    return [Case(kind, name, *way) for way in ways for kind, names in GRID for name in names]


class _Place:
    """A prefix with its configuration files beside it."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix

    def __enter__(self) -> Path:
        return self.prefix

    def __exit__(self, *_: object) -> None:
        return None


class _Written(_Place):
    """Layers of a kernel and a collective of 1 MiB on one dimension, in a temporary folder."""

    def __init__(self, case: Case, like: str, ranks: int, layers: int) -> None:
        self._folder = tempfile.TemporaryDirectory()
        place = Path(self._folder.name)
        super().__init__(place / "t")
        kind = case.collective
        same = _trace(kind, layers, 1, 1000)
        for rank in range(ranks):
            first, ns = 1 + 2 * layers * rank * (like == "numbered"), 1000 + 37 * rank * (like == "staggered")
            content = same if like == "alike" else _trace(kind, layers, first, ns)
            (place / f"t.{rank}.et").write_bytes(content)
        network = f"topology: [ {case.topology} ]\nnpus_count: [ {ranks} ]\nbandwidth: [ 50.0 ]\nlatency: [ 500.0 ]\n"
        (place / "network.yml").write_text(network)
        (place / "system.json").write_text(json.dumps(case.system()))
        (place / "memory.json").write_text('{"memory-type": "NO_MEMORY_EXPANSION"}')

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def _trace(kind: CollectiveType, layers: int, first: int, ns: int) -> bytes:
    nodes = [GLOBAL_METADATA]
    for layer in range(layers):
        at = first + 2 * layer
        before = [at - 1] if layer else []
        nodes.append(render(node(at, (b"kernel",), NodeType.COMP, (), before, computes(ns)), 1).of(0))
        nodes.append(render(node(at + 1, (b"all",), NodeType.COLL, (), [at], collects(kind, 1 << 20, None)), 1).of(0))
    return b"".join(nodes)


def _run(name: str, ranks: int, layers: int, prefix: Path, congestion: str) -> Row:
    files = {
        "system": "system.json",
        "network": "network.yml",
        "memory": "memory.json",
        "comm_groups": "comm_groups.json",
    }
    there = {key: str(prefix.parent / file) for key, file in files.items() if (prefix.parent / file).exists()}
    *_, text = _measured(
        [sys.executable, "-c", WORKER, str(prefix), json.dumps({**there, "congestion": congestion})], prefix.parent
    )
    took, grown, finish, events = json.loads(text)
    whole = _measured([str(MOEC), "trace", "time", str(prefix), "--backend", congestion, "--json"], prefix.parent)
    theirs = _measured(_command(prefix, there, congestion), prefix.parent)
    found = parse(theirs[2]).finish_ns
    equal = [found.get(rank) for rank in range(ranks)] == finish
    return Row(name, ranks, layers, theirs[:2], (took, grown), whole[:2], equal, events)


def _command(prefix: Path, there: dict[str, str], congestion: str) -> list[str]:
    place = Path(os.environ.get("MOEC_ASTRA_SIM", ""))
    flags = {
        "system": "system-configuration",
        "network": "network-configuration",
        "memory": "remote-memory-configuration",
        "comm_groups": "comm-group-configuration",
    }
    log = tempfile.mkdtemp(prefix="moec-log-")
    binary = f"AstraSim_Analytical_Congestion_{congestion.capitalize()}"
    command = [str(place / binary if place.is_dir() else place), f"--workload-configuration={prefix}"]
    return [*command, f"--logging-folder={log}", *(f"--{flags[key]}={path}" for key, path in there.items())]


def _measured(command: list[str], folder: Path) -> tuple[float, float, str]:
    """CPU seconds, MiB at most, and the output of a process."""
    launch = [sys.executable, "-I", "-S", "-c", LAUNCHER, *command]
    ran = subprocess.run(launch, cwd=folder, capture_output=True, text=True, check=True)
    seconds, mib, status = ran.stderr.split()
    if int(status):
        raise RuntimeError(f"ended with wait status {status}: {command}")
    return float(seconds), float(mib), ran.stdout


def _line(row: Row) -> str:
    ratio = row.theirs[0] / row.call[0]
    notes = ("" if row.equal else "  NOT EQUAL") + ("  every message" if row.events else "")
    cells = [f"{s:>8.3f} s {m:>4.0f} MiB" for s, m in (row.theirs, row.process)]
    call = f"{row.call[0]:>9.4f} s +{row.call[1]:>3.0f} MiB"
    return f"{row.name:<58} {row.ranks:>5} {row.layers:>6} {cells[0]} {call} {ratio:>12,.0f} {cells[1]}{notes}"


if __name__ == "__main__":
    main(sys.argv[1:])
