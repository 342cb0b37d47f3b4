"""Exchanges between two sets of ranks take what their busiest port or trunk takes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moec.backends.network.alpha_beta import alltoall_ns
from moec.backends.network.tiers import Network, Tier, Trunk
from moec.compiler.ir.crossing import crossing
from moec.compiler.ir.graph import AllToAll, Dense, Outer
from moec.compiler.ir.verify import matrix

CARD = Tier(rate=40.0, latency_ns=2500.0, launch_ns=8000.0)
FABRIC = Tier(rate=300.0, latency_ns=900.0, launch_ns=4500.0)
NODE = 4


def trunk(nodes: int, rate: float) -> Trunk:
    """Uplinks of `nodes` nodes with `rate` for each device below."""
    return Trunk("leaf switch", nodes, False, rate, 4000.0, 8000.0)


def exchange(rows: np.ndarray, *, reverse: bool = False) -> tuple[AllToAll, np.ndarray]:
    """Bytes `[S, R]` from the ranks of whole nodes to those of the nodes after them."""
    senders, receivers = rows.shape
    size = senders + receivers
    places = np.arange(size)
    return crossing("both", size, places[:senders], places[senders:], Dense(rows[None]), reverse=reverse), places[None]


sizes = st.sampled_from([NODE, 2 * NODE, 3 * NODE])


@st.composite
def traffic(draw: st.DrawFn) -> np.ndarray:
    shape = draw(sizes), draw(sizes)
    return np.random.default_rng(draw(st.integers(0, 10_000))).integers(0, 10**6, shape).astype(float)


@settings(max_examples=100, deadline=None)
@given(traffic(), st.sampled_from([None, 20.0, 5.0]), st.booleans())
def test_the_busiest_sender_receiver_or_trunk_decides(rows: np.ndarray, narrow: float | None, reverse: bool) -> None:
    """launch + latency + max(max_s out_s / rate, max_r in_r / rate, trunks), with a trunk above each pool's node."""
    work, members = exchange(rows, reverse=reverse)
    net = Network(FABRIC, CARD, NODE, trunks=(trunk(1, narrow),) if narrow is not None else ())
    ports = max(rows.sum(axis=1).max(), rows.sum(axis=0).max()) / 40.0
    latency = 2500.0
    if narrow is not None:
        out = rows.sum(axis=1).reshape(-1, NODE).sum(axis=1).max()
        into = rows.sum(axis=0).reshape(-1, NODE).sum(axis=1).max()
        ports, latency = max(ports, max(out, into) / (narrow * NODE)), 4000.0
    assert alltoall_ns(work.pairs, members, net) == pytest.approx(8000.0 + latency + ports)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_an_outer_product_crosses_like_its_matrix(seed: int, reverse: bool) -> None:
    rng = np.random.default_rng(seed)
    sent, share = rng.integers(1, 1000, (2, NODE)).astype(float), rng.random((2, 2 * NODE))
    size, places = 3 * NODE, np.arange(3 * NODE)
    sides = ("both", size, places[:NODE], places[NODE:])
    outer = crossing(*sides, Outer(sent, share, np.ones(2)), reverse=reverse)
    dense = crossing(*sides, Dense(sent[:, :, None] * share[:, None]), reverse=reverse)
    assert matrix(outer) == pytest.approx(matrix(dense))
    net = Network(FABRIC, CARD, NODE, trunks=(trunk(1, 9.0),))
    assert alltoall_ns(outer.pairs, places[None], net) == pytest.approx(alltoall_ns(dense.pairs, places[None], net))


def test_a_hot_receiver_of_a_crossing_is_late_by_its_straggle() -> None:
    places = np.arange(2 * NODE)
    pairs = Outer(np.full((1, NODE), 1e6), np.full((1, NODE), 0.5), np.full(1, 1.5))
    work = crossing("both", 2 * NODE, places[:NODE], places[NODE:], pairs)
    took = alltoall_ns(work.pairs, places[None], Network(FABRIC, CARD, NODE))
    assert took == pytest.approx(8000.0 + 2500.0 + 1.5 * NODE * 0.5e6 / 40.0)
