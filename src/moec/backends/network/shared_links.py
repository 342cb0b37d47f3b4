"""Which links the rings of a collective share, on rings and meshes of devices or nodes and in trunks above them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from moec.arrays import Floats, Ints
from moec.backends.network.lattice import Lattice, message_loads
from moec.backends.network.ports import binding, capacity
from moec.backends.network.spread import Spread
from moec.backends.network.tiers import Network, Trunk


@dataclass(frozen=True, slots=True, eq=False)
class RingCost:
    """Of one turn of the rings of all subsets at once, `[subsets]`: nanoseconds on the busiest shared link that a subset
    uses, per byte that passes from one place to the next, and links of the longest way between neighbours.
    """

    cost: Floats
    hops: Ints


@dataclass(frozen=True, slots=True, eq=False)
class BusyLink:
    """A kind of port or link that a collective uses, at the busiest of them: what it is called, its `rate` in bytes per
    nanosecond, and the nanoseconds `[subsets]` that it is busy per byte.
    """

    kind: str
    name: str
    rate: float
    cost: Floats


@lru_cache(maxsize=256)
def fabric_ring_cost(net: Network, spread: Spread) -> RingCost:
    """Rings inside nodes whose fabric is a ring or a mesh; the ring runs one way, or half each way if that is faster."""
    lattice = net.fabric
    assert lattice is not None
    rings = [
        [
            (int(node), _edges(lattice, row[row // net.per_node == node] % net.per_node))
            for node in np.unique(row // net.per_node)
        ]
        for row in spread.ranks
    ]
    loads: dict[int, Floats] = {}
    for subset in rings:
        for node, edges in subset:
            loads[node] = loads.get(node, np.zeros(1)) + _carried(lattice, edges)
    cost = [max(_worst(loads[node], _carried(lattice, edges)) for node, edges in subset) for subset in rings]
    hops = [max(_longest(lattice, edges) for _, edges in subset) for subset in rings]
    return RingCost(np.array(cost) / net.fabric_link(), np.array(hops))


def _edges(lattice: Lattice, places: Ints) -> Ints:
    """Neighbours in a ring through `places`, `[edges, 2]`: in order, on a mesh every second row backwards."""
    order = places if lattice.wraps else lattice.snake(places)
    return np.stack([order, np.roll(order, -1)], axis=1) if len(order) > 1 else np.zeros((0, 2), np.int64)


def _carried(lattice: Lattice, edges: Ints) -> Floats:
    """Link loads of a unit on every edge, `[2, links]`: one way, and half each way."""
    there, back = message_loads(lattice, edges[:, 0], edges[:, 1]), message_loads(lattice, edges[:, 1], edges[:, 0])
    return np.stack([there, (there + back) / 2])


def _worst(total: Floats, mine: Floats) -> float:
    """The busiest of the links that a subset uses; whichever way of running the rings is faster."""
    return float(np.where(mine > 1e-9, total, 0.0).max(axis=1).min()) if mine.size else 0.0


def _longest(lattice: Lattice, edges: Ints) -> int:
    return int(lattice.hops(edges[:, 0], edges[:, 1]).max()) if len(edges) else 0


@lru_cache(maxsize=256)
def node_ring_cost(net: Network, spread: Spread) -> RingCost:
    """Rings from node to node, in the order of the nodes."""
    cost, hops = np.zeros(spread.nodes.shape), np.ones(spread.nodes.shape, dtype=np.int64)
    if net.lattice is not None:
        edges = _node_edges(net.lattice, spread)
        cost = _lattice_cost(net, net.lattice, edges)
        hops = np.array([max(1, _longest(net.lattice, e)) for e in edges])
    for trunk in _crossed(net, spread):
        cost = np.maximum(cost, _trunk_cost(net, spread, trunk))
    return RingCost(np.where(spread.nodes > 1, cost, 0.0), hops)


def node_ring_links(net: Network, spread: Spread) -> tuple[BusyLink, ...]:
    """The same by kind of link: those between nodes, and the uplinks of every trunk; their largest cost is `node_ring_cost`'s."""
    found: list[BusyLink] = []
    if net.lattice is not None:
        cost = _lattice_cost(net, net.lattice, _node_edges(net.lattice, spread))
        found.append(BusyLink("link between nodes", "busiest link between nodes", net.node_link(), cost))
    for trunk in _crossed(net, spread):
        name = f"uplinks of the busiest {trunk.name}"
        found.append(BusyLink(trunk.name, name, capacity(trunk, net), _trunk_cost(net, spread, trunk)))
    return tuple(replace(link, cost=np.where(spread.nodes > 1, link.cost, 0.0)) for link in found)


def _crossed(net: Network, spread: Spread) -> tuple[Trunk, ...]:
    """Trunks that can hold up a ring from node to node, if there is one."""
    return binding(net) if net.trunks and (spread.nodes > 1).any() else ()


def _node_edges(lattice: Lattice, spread: Spread) -> list[Ints]:
    return [_edges(lattice, row[row >= 0]) for row in spread.ids]


def _lattice_cost(net: Network, lattice: Lattice, edges: list[Ints]) -> Floats:
    loads = sum((_carried(lattice, e) for e in edges), np.zeros(1))
    cost: Floats = np.array([_worst(loads, _carried(lattice, e)) for e in edges]) / net.node_link()
    return cost


def _trunk_cost(net: Network, spread: Spread, trunk: Trunk) -> Floats:
    """Edges that leave the busiest unit of each subset, over the unit's capacity, `[subsets]`.

    On switches of one rail a ring leaves by as many rails as its subset has members in a node.
    """
    units: dict[tuple[int, int], float] = {}
    mine = []
    for row, ranks, width in zip(spread.ids, spread.ranks, spread.width, strict=True):
        unit = row[row >= 0] // trunk.nodes
        leaves, count = np.unique(unit[unit != np.roll(unit, -1)], return_counts=True)
        rails = np.unique(ranks % net.per_node)[:width] if trunk.railed else np.zeros(1, dtype=np.int64)
        keys = [(int(u), int(r)) for u in leaves for r in rails]
        for u, n in zip(leaves, count, strict=True):
            for r in rails:
                units[int(u), int(r)] = units.get((int(u), int(r)), 0.0) + n / len(rails)
        mine.append(keys)
    worst = np.array([max((units[key] for key in keys), default=0.0) for keys in mine])
    cost: Floats = worst / capacity(trunk, net)
    return cost
