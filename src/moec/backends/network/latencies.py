"""The fixed part of an operation: starting it, and the longest way between two members."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from moec.arrays import Floats, Ints
from moec.backends.network.ports import changes_rails, shares_node
from moec.backends.network.spread import Spread
from moec.backends.network.tiers import Network, Trunk


@lru_cache(maxsize=256)
def exchange_fixed(net: Network, spread: Spread, relayed: bool) -> Floats:
    """Launch and latency of an exchange in one step, `[subsets]`.

    The slower tier's; where messages pass both one after the other, the sum.
    """
    launch, inside, outside = launches(net, spread), inside_ns(net, spread), between_ns(net, spread)
    both = steps_in_turn(net, spread, relayed)
    fixed: Floats = launch + (np.where(outside > 0, inside + outside, inside) if both else np.maximum(inside, outside))
    return fixed


@lru_cache(maxsize=256)
def steps_in_turn(net: Network, spread: Spread, relayed: bool) -> bool:
    """Whether messages pass the fabric of a node and the network one after the other."""
    return shares_node(spread) and (relayed or changes_rails(net, spread))


@lru_cache(maxsize=256)
def launches(net: Network, spread: Spread) -> Floats:
    """The largest launch among the tiers that a subset touches, `[subsets]`."""
    launch = np.zeros(spread.nodes.shape)
    for touches, tier in ((spread.nodes < spread.size, net.inside), (spread.nodes > 1, net.between)):
        if tier is not None:
            launch = np.where(touches, np.maximum(launch, tier.launch_ns), launch)
    for trunk in net.trunks:
        launch = np.where(_spans(spread, trunk, net), np.maximum(launch, trunk.launch_ns), launch)
    return launch


def inside_ns(net: Network, spread: Spread, hops: Ints | None = None) -> Floats:
    """Latency of a step between members of one node, `[subsets]`; 0 where none share one.

    `hops` `[subsets]`: links that it crosses on a ring or mesh; the longest way between two members when absent.
    """
    if net.inside is None:
        return np.zeros(spread.nodes.shape)
    if net.fabric is not None:
        far = _farthest(net, spread) if hops is None else hops
    else:
        far = np.full(spread.nodes.shape, 2 if net.wiring == "switch" else 1)
    return np.where(spread.nodes < spread.size, net.inside.latency_ns + net.inside.hop_ns * far, 0.0)


def between_ns(net: Network, spread: Spread, hops: Ints | None = None) -> Floats:
    """Latency of a step between members of several nodes, `[subsets]`; 0 where all share one. `hops` between nodes."""
    if net.between is None:
        return np.zeros(spread.nodes.shape)
    latency = np.full(spread.nodes.shape, net.between.latency_ns)
    if net.lattice is not None:
        far = _farthest_nodes(net, spread) if hops is None else hops
        latency += net.between.hop_ns * np.maximum(far - 1, 0)
    for trunk in net.trunks:
        latency = np.where(_spans(spread, trunk, net), np.maximum(latency, trunk.latency_ns), latency)
    return np.where(spread.nodes > 1, latency, 0.0)


@lru_cache(maxsize=256)
def _farthest(net: Network, spread: Spread) -> Ints:
    """Links between the two members of a node that are farthest apart, `[subsets]`."""
    lattice = net.fabric
    assert lattice is not None
    node, place = spread.ranks // net.per_node, spread.ranks % net.per_node
    far = [
        max(int(lattice.hops(at[:, None], at).max()) for at in (places[nodes == n] for n in np.unique(nodes)))
        for nodes, places in zip(node, place, strict=True)
    ]
    return np.array(far, dtype=np.int64)


@lru_cache(maxsize=256)
def _farthest_nodes(net: Network, spread: Spread) -> Ints:
    assert net.lattice is not None
    rows = [row[row >= 0] for row in spread.ids]
    return np.array([int(net.lattice.hops(row[:, None], row).max()) for row in rows], dtype=np.int64)


def _spans(spread: Spread, trunk: Trunk, net: Network) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Whether a subset reaches over several units of the trunk, `[subsets]`."""
    last = np.take_along_axis(spread.ids, spread.nodes[:, None] - 1, axis=1)[:, 0]
    spans: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = spread.ids[:, 0] // trunk.nodes != last // trunk.nodes
    if trunk.railed and not changes_rails(net, spread):
        rails = spread.ranks % net.per_node
        spans = spans | ((spread.nodes > 1) & (rails != rails[:, :1]).any(axis=1))
    return spans
