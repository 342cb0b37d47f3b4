"""What an ASTRA-sim analytical backend is told: dimensions of links, algorithms, pieces; in its own units."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal, assert_never

from moec.backends.astra.network.refusal import EXIT_NETWORK, Refusal, aborts

Kind = Literal["all_reduce", "all_gather", "reduce_scatter", "all_to_all"]
Topology = Literal["Ring", "FullyConnected", "Switch"]
Congestion = Literal["aware", "unaware"]
Optimization = Literal["localBWAware", "baseline"]

GROUP_DELAY_NS = 10
"""Endpoint delay inside communicator groups smaller than the world, whatever is asked for (`MemBus`, `Fast`)."""
SPANNED = 4
"""Dimensions that a collective without a group spans by default; later ones are skipped."""


@dataclass(frozen=True, slots=True)
class Dim:
    """`npus` ranks on alike links: `bandwidth` in GB/s of 2^30 bytes per link and direction, `latency` in ns per link."""

    topology: Topology
    npus: int
    bandwidth: float
    latency: float

    @property
    def rate(self) -> float:
        """Bytes per nanosecond, rounded as the simulator rounds."""
        return self.bandwidth * (1 << 30) / 1_000_000_000


@dataclass(frozen=True, slots=True)
class BusCosts:
    """`model-shared-bus`: `latency`, `overhead` and `gap` in whole ns, `per_byte` in ns, `reduction` in ns per 100 bytes.

    The system file's `L`, `o`, `g`, `G` and `local-reduction-delay`.
    """

    latency: int = 0
    overhead: int = 0
    gap: int = 0
    per_byte: float = 0.0
    reduction: int = 1


@dataclass(frozen=True, slots=True)
class AstraNetwork:
    """`splits`: `preferred-dataset-splits`; `active`: `active-chunks-per-dimension`; `endpoint_ns`: `endpoint-delay`;
    `local_mem_bw` in 1e9 bytes/s (0: absent, reductions are free); `queues`: `--num-queues-per-dim`. Algorithms by
    dimension: `ring`, `direct[W]`, `halvingDoubling`, `doubleBinaryTree`, `oneRing`, `oneDirect[W]`,
    `oneHalvingDoubling`; dimensions beyond the list are skipped. `bus`: that ranks pass messages over a shared bus instead
    of after `endpoint_ns`. Rank = a0 + n0·a1 + …
    """

    congestion: Congestion
    dimensions: tuple[Dim, ...]
    splits: int = 1
    active: int = 1
    endpoint_ns: int = 10
    local_mem_bw: float = 0.0
    all_reduce: tuple[str, ...] = ("ring",)
    all_gather: tuple[str, ...] = ("ring",)
    reduce_scatter: tuple[str, ...] = ("ring",)
    all_to_all: tuple[str, ...] = ("direct",)
    optimization: Optimization = "localBWAware"
    queues: int = 1
    bus: BusCosts | None = None

    @property
    def ranks(self) -> int:
        return prod(dim.npus for dim in self.dimensions)

    @property
    def concurrent(self) -> int:
        """Streams of one queue that run at once."""
        return -(-self.active // self.queues) if self.queues > 0 else 0

    def algorithms(self, kind: Kind) -> tuple[str, ...]:
        """By dimension."""
        match kind:
            case "all_reduce":
                return self.all_reduce
            case "all_gather":
                return self.all_gather
            case "reduce_scatter":
                return self.reduce_scatter
            case "all_to_all":
                return self.all_to_all
            case _:
                assert_never(kind)

    def refusal(self) -> Refusal | None:
        """Why the simulator does not start on this network at all."""
        if any(dim.npus < 2 for dim in self.dimensions):
            return Refusal("exits", EXIT_NETWORK, "a dimension needs at least two ranks")
        if self.congestion == "unaware":
            return None
        if len(self.dimensions) > 1:
            return Refusal("exits", EXIT_NETWORK, "the congestion-aware simulator has one dimension only")
        if self.dimensions[0].topology == "Ring" and self.ranks == 2:
            return aborts("a ring of two ranks would have each link twice")
        return None
