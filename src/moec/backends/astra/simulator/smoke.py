"""A trace set of a kernel and an all-reduce: small enough to ask a binary what it is, and whether it works."""

from __future__ import annotations

import tempfile
from pathlib import Path

from moec.backends.astra.files.configs import configs
from moec.backends.astra.files.settings import ENDPOINT_DELAY_NS, AstraSettings, Congestion
from moec.backends.astra.files.wiring import Dimension
from moec.backends.astra.simulator.failure import NO_ROOM
from moec.backends.astra.simulator.run_folder import TraceFolder
from moec.backends.astra.simulator.runner import Outcome, run
from moec.compiler.chakra.node import GLOBAL_METADATA, CollectiveType, NodeType, collects, computes, node
from moec.compiler.chakra.wire import render
from moec.diagnostics import Diagnostic

LIMIT_S = 20.0
KERNEL_NS, BYTES, RATE, LATENCY_NS = 7636, 2**20, 50.0, 500
"""The kernel is one whose time comes out short when `peak-perf` is the round number (see `configs`)."""


def write_smoke(place: Path, congestion: Congestion, sizes: tuple[int, ...] = (2,)) -> TraceFolder:
    """Writes the set into `place`, on switches of `sizes` ranks, the innermost first."""
    dimensions = tuple(Dimension("Switch", size, RATE, LATENCY_NS, "a test") for size in sizes)
    ranks = 1
    for size in sizes:
        ranks *= size
    rings = ("ring",) * len(sizes)
    settings = AstraSettings(congestion, ranks, dimensions, 1, 1, rings, rings, rings, None, custom=False)
    for name, text in configs(settings).items():
        (place / name).write_text(text, encoding="utf-8")
    kernel = node(1, (b"kernel",), NodeType.COMP, (), (), computes(KERNEL_NS))
    reduce = node(2, (b"all_reduce",), NodeType.COLL, (), (1,), collects(CollectiveType.ALL_REDUCE, BYTES, None))
    for rank in range(ranks):
        (place / f"smoke.{rank}.et").write_bytes(GLOBAL_METADATA + render((*kernel, *reduce), 1).of(rank))
    return TraceFolder(place, "smoke", ranks)


def try_smoke(binary: Path, congestion: Congestion, sizes: tuple[int, ...] = (2,)) -> Outcome:
    """Runs the set on `binary`, in a folder that is gone afterwards."""
    try:
        with tempfile.TemporaryDirectory(prefix="moec-astra-sim-") as place:
            return run(write_smoke(Path(place), congestion, sizes), binary, time_limit_s=LIMIT_S)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return None, [Diagnostic(NO_ROOM, f"no place for a trial run: {reason}", help="its folder is in TMPDIR")]


def expected_ns(congestion: Congestion) -> int:
    """When both ranks of the default set finish: the ring's closed form on a switch of two."""
    message = BYTES // 2 / RATE
    hop = 2 * int(LATENCY_NS + message) if congestion == "aware" else int(2 * LATENCY_NS + message)
    return KERNEL_NS + 2 * hop + 3 * ENDPOINT_DELAY_NS
