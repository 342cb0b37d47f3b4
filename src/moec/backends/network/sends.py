"""What point-to-point sends cost that all happen at once: their way, and the links that they share."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Floats, Ints
from moec.backends.network.lattice import Lattice, message_loads
from moec.backends.network.ports import between_of, binding, capacity, inside_of
from moec.backends.network.tiers import Network, Trunk

Truths = NDArray[np.bool_]


@lru_cache(maxsize=256)
def costs_of_sends(senders: bytes, receivers: bytes, net: Network) -> tuple[Floats, Floats]:
    """Fixed time and time per byte of every message, `[ranks]`."""
    a, b = (np.frombuffer(x, dtype=np.int64) for x in (senders, receivers))
    node_a, node_b = a // net.per_node, b // net.per_node
    away = node_a != node_b
    fixed, cost = np.zeros(len(a)), np.zeros(len(a))
    if not away.all():
        near_fixed, near_cost = _near(a, b, ~away, net)
        fixed, cost = np.where(away, fixed, near_fixed), np.where(away, cost, near_cost)
    if away.any():
        far_fixed, far_cost = _far(a, b, away, net)
        fixed, cost = np.where(away, far_fixed, fixed), np.where(away, far_cost, cost)
    return fixed, cost


def _near(a: Ints, b: Ints, chosen: Truths, net: Network) -> tuple[Floats, Floats]:
    """Messages inside nodes: on a ring or mesh, a message gets its part of the busiest link on its way."""
    tier, lattice = inside_of(net), net.fabric
    if lattice is None:
        links = 2 if net.wiring == "switch" else 1
        rate = tier.rate / (1 if net.wiring == "switch" else net.per_node - 1)
        return np.full(len(a), tier.launch_ns + tier.latency_ns + links * tier.hop_ns), np.full(len(a), 1.0 / rate)
    here, there = a % net.per_node, b % net.per_node
    hops = lattice.hops(here, there)
    cost: Floats = np.zeros(len(a))
    for node in np.unique(a[chosen] // net.per_node):
        mine = np.flatnonzero(chosen & (a // net.per_node == node))
        cost[mine] = shared(lattice, here[mine], there[mine]) / net.fabric_link()
    return tier.launch_ns + tier.latency_ns + hops * tier.hop_ns, cost


def _far(a: Ints, b: Ints, chosen: Truths, net: Network) -> tuple[Floats, Floats]:
    """Messages between nodes: the card's rate, or a part of a trunk or of a link between nodes."""
    tier = between_of(net)
    node_a, node_b = a // net.per_node, b // net.per_node
    launch, latency = np.full(len(a), tier.launch_ns), np.full(len(a), tier.latency_ns)
    cost: Floats = np.full(len(a), 1.0 / tier.rate)
    if net.lattice is not None:
        latency = latency + tier.hop_ns * np.maximum(net.lattice.hops(node_a, node_b) - 1, 0)
        part = np.zeros(len(a))
        part[chosen] = shared(net.lattice, node_a[chosen], node_b[chosen])
        cost = np.maximum(cost, part / net.node_link())
    for trunk in net.trunks:
        leaves, units = _leaves(a, b, trunk, net)
        leaves = leaves & chosen
        launch = np.where(leaves, np.maximum(launch, trunk.launch_ns), launch)
        latency = np.where(leaves, np.maximum(latency, trunk.latency_ns), latency)
        if trunk in binding(net):
            crowd = np.maximum(_crowd(units[0], leaves), _crowd(units[1], leaves))
            cost = np.where(leaves, np.maximum(cost, crowd / capacity(trunk, net)), cost)
    return launch + latency, cost


def _leaves(a: Ints, b: Ints, trunk: Trunk, net: Network) -> tuple[Truths, tuple[Ints, Ints]]:
    """Which messages cross the trunk, and the units at both ends; a message that may change rails does so beforehand."""
    span = trunk.nodes * net.per_node
    unit = [r // span for r in (a, b)]
    if trunk.railed:
        rails = [b % net.per_node if net.cross_rail else r % net.per_node for r in (a, b)]
        unit = [u * net.per_node + rail for u, rail in zip(unit, rails, strict=True)]
    return unit[0] != unit[1], (unit[0], unit[1])


def _crowd(unit: Ints, leaves: Truths) -> Floats:
    """How many messages share each message's unit."""
    _, of = np.unique(unit, return_inverse=True)
    count: Floats = np.bincount(of, weights=leaves.astype(float)).astype(float)[of]
    return count


def shared(lattice: Lattice, a: Ints, b: Ints) -> Floats:
    """Messages on the busiest link of the way of each, counting it, `[messages]`."""
    total = message_loads(lattice, a, b)
    ways = [[link for link, _ in lattice.way(s, d)] for s, d in zip(a.tolist(), b.tolist(), strict=True)]
    return np.array([max(1.0, *total[way]) if way else 0.0 for way in ways])
