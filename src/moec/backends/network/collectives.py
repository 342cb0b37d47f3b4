"""Ring algorithms of collectives: through all members, within and between nodes, along rows and columns of a mesh."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Array
from moec.backends.network.latencies import between_ns, inside_ns, launches
from moec.backends.network.ports import between_of, fabric_cost, inside_of, shares_node
from moec.backends.network.shared_links import BusyLink, fabric_ring_cost, node_ring_cost, node_ring_links
from moec.backends.network.spread import Spread, spread_of
from moec.backends.network.tiers import Network
from moec.compiler.ir.graph import CollectiveKind


@dataclass(frozen=True, slots=True, eq=False)
class CollectiveAlgorithm:
    """A way to do a collective: `fixed` nanoseconds for starting and for its steps, and nanoseconds `per_byte` of the full
    buffer, both `[subsets]`. `links`: how long each kind of port and link is busy per byte of the full buffer.
    """

    name: str
    fixed: Array
    per_byte: Array
    links: tuple[BusyLink, ...]


@lru_cache(maxsize=1024)
def algorithms(kind: CollectiveKind, ranks: bytes, size: int, net: Network) -> tuple[CollectiveAlgorithm, ...]:
    """The ways that there are, or the one that `net.collectives` asks for where there is such a one."""
    spread = spread_of(np.frombuffer(ranks, dtype=np.int64).reshape(-1, size), net.per_node)
    flat = _flat(kind, spread, net)
    layered = [a for a in (_rails(kind, spread, net), _rows(kind, spread, net)) if a is not None]
    match net.collectives:
        case "flat":
            return (flat,)
        case "hierarchical":
            return tuple(layered) or (flat,)
        case "fastest":
            return (flat, *layered)
        case _:
            assert_never(net.collectives)


def _flat(kind: CollectiveKind, spread: Spread, net: Network) -> CollectiveAlgorithm:
    """Rings through all members.

    As many rings run side by side as every node has members, so each network card carries one of them out.
    """
    steps, share = _ring(kind, np.full(spread.nodes.shape, spread.size))
    cost, near = _inside_cost(net, spread)
    latency, links = near, _inside_links(net, spread, share * cost)
    if (spread.nodes > 1).any():
        outside, far = _between_cost(net, spread)
        cost, latency = np.maximum(cost, outside / spread.width), np.maximum(near, far)
        cost = np.maximum(cost, node_ring_cost(net, spread).cost)
        links += _between_links(net, spread, share, outside / spread.width)
    return CollectiveAlgorithm("one ring", launches(net, spread) + steps * latency, share * cost, links)


def _rails(kind: CollectiveKind, spread: Spread, net: Network) -> CollectiveAlgorithm | None:
    """Rings inside the nodes and one ring per rail between them; None where that is no other thing."""
    if not spread.even or 1 in spread.slots.shape[1:]:
        return None
    steps_in, share_in = _ring(kind, spread.width)
    steps_out, share_out = _ring(kind, spread.nodes)
    (cost, near), (outside, far) = _inside_cost(net, spread), _between_cost(net, spread)
    card = outside / spread.width
    outside = np.maximum(card, node_ring_cost(net, spread).cost)
    links = _inside_links(net, spread, share_in * cost) + _between_links(net, spread, share_out, card)
    fixed = launches(net, spread) + steps_in * near + steps_out * far
    per_byte = share_in * cost + share_out * outside
    return CollectiveAlgorithm("rings inside nodes, a ring per rail between them", fixed, per_byte, links)


def _rows(kind: CollectiveKind, spread: Spread, net: Network) -> CollectiveAlgorithm | None:
    """On a mesh, lines along the rows and then along the columns; None where subsets are no rectangles in one node."""
    if net.wiring != "mesh" or (spread.nodes > 1).any():
        return None
    shapes = [_rectangle(row % net.per_node, net.grid[0]) for row in spread.ranks]
    if any(shape is None for shape in shapes):
        return None
    x, y = np.array(shapes).T
    steps_x, share_x = _ring(kind, x)
    steps_y, share_y = _ring(kind, y)
    tier = inside_of(net)
    hop = tier.hop_ns * np.array([x - 1, y - 1])  # a line is closed by a way back over all of it
    fixed = launches(net, spread) + steps_x * (tier.latency_ns + hop[0]) + steps_y * (tier.latency_ns + hop[1])
    per_byte: Array = (share_x + share_y / x) / net.fabric_link()
    along = {"rows": share_x / net.fabric_link(), "columns": share_y / x / net.fabric_link()}
    links = (BusyLink("scale-up link", f"scale-up links along {k}", net.fabric_link(), v) for k, v in along.items())
    return CollectiveAlgorithm("lines along rows, then along columns", fixed, per_byte, tuple(links))


def _rectangle(places: NDArray[np.int64], columns: int) -> tuple[int, int] | None:
    """Columns and rows that places fill without a gap, if both are more than one."""
    row, column = np.divmod(places, columns)
    x, y = int(np.ptp(column)) + 1, int(np.ptp(row)) + 1
    return (x, y) if x * y == len(places) and x > 1 and y > 1 else None


def _ring(kind: CollectiveKind, n: NDArray[np.int64]) -> tuple[Array, Array]:
    """Steps, and the share of the buffer that each member sends, in a ring of `n`."""
    match kind:
        case "all_gather" | "reduce_scatter":
            steps: Array = 1.0 * (n - 1)
        case "all_reduce":
            steps = 2.0 * (n - 1)
        case _:
            assert_never(kind)
    return steps, steps / n


def _inside_cost(net: Network, spread: Spread) -> tuple[Array, Array]:
    """Nanoseconds per byte that each member of a ring inside a node sends, and per step; 0 for lone members."""
    width = spread.width
    if not shares_node(spread) or (width == 1).all():
        lone = inside_ns(net, spread, np.ones_like(width)) if net.inside is not None else np.zeros(width.shape)
        return np.zeros(width.shape), lone
    if net.fabric is not None:
        ring = fabric_ring_cost(net, spread)
        return np.where(width == 1, 0.0, ring.cost), inside_ns(net, spread, ring.hops)
    rate = np.full(width.shape, inside_of(net).rate)
    if net.wiring == "fully_connected":  # links to devices outside the group lie idle
        rate = rate * np.maximum(width - 1, 1) / (net.per_node - 1)
    return np.where(width == 1, 0.0, 1.0 / rate), inside_ns(net, spread)


def _inside_links(net: Network, spread: Spread, cost: Array) -> tuple[BusyLink, ...]:
    """The fabric of the nodes with its `cost` `[subsets]` per byte of the full buffer, if any members share a node."""
    if not shares_node(spread):
        return ()
    if net.fabric is not None:
        return (BusyLink("scale-up link", "busiest scale-up link", net.fabric_link(), cost),)
    if net.wiring == "fully_connected":
        return (BusyLink("scale-up link", _each("scale-up links", spread), 1.0 / fabric_cost(net), cost),)
    return (BusyLink("scale-up port", _each("scale-up port", spread), inside_of(net).rate, cost),)


def _between_links(net: Network, spread: Spread, share: Array, card: Array) -> tuple[BusyLink, ...]:
    """Network cards and what lies above them, for `share` of the buffer from node to node and cards' cost per byte of it."""
    cards = BusyLink("network card", _each("network card", spread), between_of(net).rate, card)
    return tuple(replace(link, cost=share * link.cost) for link in (cards, *node_ring_links(net, spread)))


def _each(kind: str, spread: Spread) -> str:
    """Where nodes have unlike numbers of members, those of the node with the fewest carry most."""
    return f"{kind} of {'each' if spread.even else 'the busiest'} of {spread.size} ranks"


def _between_cost(net: Network, spread: Spread) -> tuple[Array, Array]:
    """Nanoseconds per byte at one network card, and per step between nodes; 0 for subsets inside a node."""
    cost = np.where(spread.nodes > 1, 1.0 / between_of(net).rate, 0.0)
    return cost, between_ns(net, spread, node_ring_cost(net, spread).hops)
