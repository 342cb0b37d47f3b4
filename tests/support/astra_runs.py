"""Networks, and the measured runs of the real simulator as values."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from moec.backends.astra.network import (
    AstraNetwork,
    Dim,
    Refusal,
    collective_ns,
    custom_alltoall_ns,
    sendrecv_alltoall_ns,
)
from moec.backends.astra.network.custom.issue_order import rotating

MEASURED = Path(__file__).parents[3] / "shared" / "validation" / "astra_sim" / "collectives.csv"
KINDS = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all")


def network(
    congestion="unaware", topology="Switch", npus=4, algorithm="ring", bandwidth=50.0, latency=500.0, **changes
):
    """One dimension, one algorithm for every collective."""
    return over((Dim(topology, npus, bandwidth, latency),), (algorithm,), congestion=congestion, **changes)


def over(dimensions, algorithms, congestion="unaware", **changes):
    """Several dimensions."""
    names = dict.fromkeys(KINDS, algorithms)
    return AstraNetwork(congestion, dimensions, **{"local_mem_bw": 1600.0, **names, **changes})


@dataclass(frozen=True)
class Run:
    """One row: what was run, and its time in ns, or None where the simulator did not finish, with its exit status."""

    network: AstraNetwork
    collective: str
    bytes: int
    time_ns: int | None
    status: int

    @property
    def label(self):
        topologies = "+".join(dim.topology for dim in self.network.dimensions)
        return f"{self.network.congestion} {topologies} {'+'.join(self.network.all_reduce)} {self.collective}"


def measured_runs():
    """All rows; skips where the measurements are not at hand."""
    if not MEASURED.exists():
        pytest.skip(
            "the measured collectives (shared/validation/astra_sim/collectives.csv) are not beside the repository"
        )
    with MEASURED.open(newline="") as lines:
        return [_run(row) for row in csv.DictReader(lines)]


def _run(row):
    columns = (
        row[name].split(sep) for name, sep in (("topology", "+"), ("dims", "x"), ("bw_GBps", "+"), ("lat_ns", "+"))
    )
    dims = tuple(Dim(t, int(n), float(b), float(lat)) for t, n, b, lat in zip(*columns, strict=True))
    fields = {
        "splits": int(row["splits"]),
        "active": int(row["active_chunks"]),
        "endpoint_ns": int(row["endpoint_delay_ns"]),
        "local_mem_bw": float(row["local_mem_bw_GBps"]),
        "optimization": row["coll_opt"],
    }
    net = over(dims, tuple(row["algorithm"].split("+")), row["backend"], **fields)
    finished = row["rc"] == "0" and int(row["finished_ranks"]) == net.ranks
    time = int(float(row["time_ns"])) if finished else None
    return Run(net, row["collective"], int(row["bytes"]), time, int(row["rc"]))


def estimate(run):
    """Nanoseconds or a refusal for a measured run, from the nanosecond 0."""
    if run.collective.lower() in KINDS:
        return collective_ns(run.collective.lower(), run.bytes, run.network, start_ns=0)
    ranks = run.network.ranks
    matrix = skewed(run.bytes, ranks) if run.collective.endswith("SKEW50") else uniform(run.bytes, ranks)
    if run.collective.startswith("P2P"):
        return sendrecv_alltoall_ns(matrix, run.network, order=rotating(ranks))
    ends = custom_alltoall_ns(matrix, run.network, order=rotating(ranks))
    return ends if isinstance(ends, Refusal) else int(ends.max())


def uniform(size, ranks):
    """Every peer gets its share of each rank's buffer."""
    return np.full((ranks, ranks), size // ranks) * ~np.eye(ranks, dtype=bool)


def skewed(size, ranks):
    """Half of what a rank sends away goes to rank 0 (rank 0's to rank 1), the rest to all others alike."""
    away = size // ranks * (ranks - 1)
    matrix = np.full((ranks, ranks), (away - away // 2) // (ranks - 2))
    matrix[:, 0], matrix[0, 1] = away // 2, away // 2
    return matrix * ~np.eye(ranks, dtype=bool)
