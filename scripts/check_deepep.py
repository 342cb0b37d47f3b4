"""Compares exchanges with DeepEP's published figures, and prints both (docs/network.md has the tables).

    python scripts/check_deepep.py

The figures are those of DeepEP's README (github.com/deepseek-ai/DeepEP, version 1): H800, NVLink, one 400 Gb/s card per
GPU; hidden size 7168, 8 experts a token, dispatch in fp8 with a scale per 128 values, combine in bf16.

*Low latency*: 128 tokens a rank, every token–expert pair travels on its own, local copies counted. Two constants are fitted
to its 12 cells: the rates that scale-up ports and network cards reach. Launch and latencies are those of `std/hardware`.

*Normal*: 4096 tokens a rank; a token goes to 4 nodes at most, once over the network to each and on from there; its
bandwidths are turned into times as its test measures them, with what stays at home counted. The same two constants are
fitted anew, as these are other kernels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import least_squares

from moec.backends.network.alpha_beta import Network, Tier, alltoall_ns
from moec.compiler.ir.graph import Dense, Outer, Relay

HIDDEN, TOP_K, EXPERTS, PER_NODE = 7168, 8, 256, 8
FP8, BF16 = HIDDEN + HIDDEN // 128 * 4, HIDDEN * 2
HEADER = 16
"""Bytes that a low-latency message begins with."""
LATENCIES = {"inside": (650.0, 7300.0), "between": (2700.0, 7300.0)}
"""ns of a step and of a launch: nvlink4 and ndr400 of std/hardware."""

LOW_LATENCY_US = {8: (77, 114), 16: (118, 195), 32: (155, 273), 64: (173, 314), 128: (192, 369), 256: (194, 360)}
"""Ranks to dispatch and combine."""
NORMAL_GBPS = {8: (153, 158), 16: (43, 43), 32: (58, 57), 64: (51, 50)}
"""Ranks to dispatch and combine: of NVLink within a node, else of RDMA."""


def network(inside: float, between: float) -> Network:
    """Rates in bytes per nanosecond."""
    return Network(Tier(inside, *LATENCIES["inside"]), Tier(between, *LATENCIES["between"]), PER_NODE)


def low_latency_us(ranks: int, net: Network) -> tuple[float, float]:
    """Dispatch and combine."""
    times = []
    for size in (FP8 + HEADER, BF16):
        sent = np.full((1, 1, ranks), 128.0 * TOP_K * size)
        even = Outer(sent, np.full_like(sent, 1 / ranks), np.ones(1))
        times.append(float(alltoall_ns(even, np.arange(ranks)[None], net)[0, 0]) / 1e3)
    return times[0], times[1]


def normal_traffic(ranks: int, tokens: int = 4096) -> tuple[np.ndarray, np.ndarray]:
    """Tokens from rank to rank and from rank to node: the 4 nodes of the best experts, then the 8 best on those."""
    rng, nodes = np.random.default_rng(0), ranks // PER_NODE
    hits, node_hits = np.zeros((ranks, ranks)), np.zeros((ranks, nodes))
    for source in range(ranks):
        scores = rng.random((tokens, EXPERTS))
        best = np.argsort(-scores.reshape(tokens, nodes, -1).max(-1), axis=1)[:, : min(4, nodes)]
        allowed = np.zeros((tokens, nodes), dtype=bool)
        np.put_along_axis(allowed, best, True, axis=1)
        scores *= np.repeat(allowed, EXPERTS // nodes, axis=1)
        chosen = np.argpartition(-scores, TOP_K, axis=1)[:, :TOP_K]
        for places, count in ((chosen // (EXPERTS // ranks), hits), (chosen // (EXPERTS // nodes), node_hits)):
            reached = np.zeros((tokens, count.shape[1]), dtype=bool)
            np.put_along_axis(reached, places, True, axis=1)
            count[source] = reached.sum(0)
    return hits, node_hits


TRAFFIC = {ranks: normal_traffic(ranks) for ranks in NORMAL_GBPS}


def normal_us(ranks: int, net: Network) -> tuple[float, float]:
    """Dispatch and combine."""
    hits, node_hits = TRAFFIC[ranks]
    members, times = np.arange(ranks)[None], []
    for size, back in ((FP8, False), (BF16, True)):
        pairs = Dense((hits.T if back else hits)[None, None] * size)
        relay = Relay(Dense(node_hits[None, None] * size), back) if ranks > PER_NODE else None
        times.append(float(alltoall_ns(pairs, members, net, relay)[0, 0]) / 1e3)
    return times[0], times[1]


def published_normal_us(ranks: int) -> tuple[float, float]:
    """Bytes that its test counts ÷ the bandwidth: received by a rank of a node, else sent to nodes, one's own included."""
    hits, node_hits = TRAFFIC[ranks]
    counted = hits.sum(0).mean() if ranks == PER_NODE else node_hits.sum(1).mean()
    dispatch, combine = NORMAL_GBPS[ranks]
    return counted * FP8 / dispatch / 1e3, counted * BF16 / combine / 1e3


def fitted(model: Callable[[int, Network], tuple[float, float]], published: dict[int, tuple[float, float]]) -> Network:
    """The two rates with the least squares of log(model ÷ published)."""

    def off(logs: np.ndarray) -> np.ndarray:
        net = network(*np.exp(logs))
        return np.log([np.divide(model(ranks, net), us) for ranks, us in published.items()]).ravel()

    inside, between = np.exp(least_squares(off, np.log([150.0, 40.0])).x)
    return network(inside, between)


def show(
    title: str, model: Callable[[int, Network], tuple[float, float]], published: dict[int, tuple[float, float]]
) -> None:
    """Fits, and prints a row per number of ranks."""
    net = fitted(model, published)
    assert net.inside is not None and net.between is not None
    print(f"{title}: scale-up port {net.inside.rate:.1f} GB/s, network card {net.between.rate:.1f} GB/s (fitted)")
    print(
        f"{'ranks':>6} {'dispatch: model':>16} {'published':>10} {'error':>7} {'combine: model':>16} {'published':>10} {'error':>7}"
    )
    worst = 0.0
    for ranks, us in published.items():
        got = model(ranks, net)
        errors = [100 * (a / b - 1) for a, b in zip(got, us, strict=True)]
        worst = max(worst, *map(abs, errors))
        cells = "".join(f"{a:>14.0f} us {b:>7.0f} us {e:>+5.0f} %" for a, b, e in zip(got, us, errors, strict=True))
        print(f"{ranks:>6} {cells}")
    print(f"worst {worst:.1f} %\n")


def main() -> None:
    """Both kinds of kernels."""
    show("low latency", low_latency_us, {ranks: (float(d), float(c)) for ranks, (d, c) in LOW_LATENCY_US.items()})
    show("normal", normal_us, {ranks: published_normal_us(ranks) for ranks in NORMAL_GBPS})


if __name__ == "__main__":
    main()
