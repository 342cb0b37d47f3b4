"""What ports and links carry in an exchange: the parts that matrices and outer products have in common."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from moec.arrays import Array, Floats
from moec.backends.network.lattice import Lattice
from moec.backends.network.spread import Spread, spread_of
from moec.backends.network.tiers import Network, Tier, Trunk
from moec.compiler.ir.graph import Relay

Direction = Literal["send", "receive", ""]
LinkAxis = Literal["member", "pair", "fabric", "unit", "rail unit", "nodes"]


@dataclass(frozen=True, slots=True, eq=False)
class PortLoad:
    """Bytes through every link of one kind, `[…, subsets, links]`, each `cost` nanoseconds.

    `axis` says what the last axis counts: slots of members node by node; pairs of slots of a node; links of the
    nodes' fabrics; units of a trunk, or units and the rails in each; links between nodes.
    """

    kind: str
    way: Direction
    axis: LinkAxis
    bytes: Array
    cost: float

    @property
    def busiest_ns(self) -> Array:
        """How long the busiest link needs, `[…, subsets]`."""
        longest: Array = self.bytes.max(axis=-1) * self.cost
        return longest


def links(kind: str, way: Direction, axis: LinkAxis, values: Array, axes: int, cost: float) -> PortLoad:
    """A load whose last `axes` axes count links."""
    return PortLoad(kind, way, axis, values.reshape(*values.shape[: values.ndim - axes], -1), cost)


def spread_for(members: Array, net: Network, relay: Relay | None) -> Spread:
    """How the members lie on nodes, with a slot for every device where its place in the node matters."""
    placed = relay is not None or net.cross_rail or net.wiring in ("ring", "mesh") or any(t.railed for t in net.trunks)
    return spread_of(members, net.per_node, placed=placed)


def shares_node(spread: Spread) -> bool:
    """Whether any two members share a node."""
    return bool((spread.nodes < spread.size).any())


def changes_rails(net: Network, spread: Spread) -> bool:
    """Whether messages to another rail change rails inside their node: its peer on that rail takes part, too."""
    return net.cross_rail and spread.railed and shares_node(spread) and bool((spread.nodes > 1).any())


def binding(net: Network) -> tuple[Trunk, ...]:
    """The trunks that can hold up more than the network cards below them."""
    return tuple(t for t in net.trunks if t.rate < between_of(net).rate)


def capacity(trunk: Trunk, net: Network) -> float:
    """Bytes per nanosecond that leave one unit."""
    return trunk.rate * trunk.nodes * (1 if trunk.railed else net.per_node)


@lru_cache(maxsize=256)
def units(spread: Spread, nodes: int) -> Floats:
    """Which unit of `nodes` nodes each node of a subset belongs to, `[subsets, max nodes, units]`, as zeros and ones."""
    unit = np.where(spread.ids >= 0, spread.ids // nodes, -1)
    names = np.unique(unit[unit >= 0])
    member: Floats = (unit[:, :, None] == names).astype(float)
    return member


def unit_names(spread: Spread, nodes: int) -> list[int]:
    """The numbers of the units in the order of the last axis of `units`."""
    unit = spread.ids[spread.ids >= 0] // nodes
    return [int(u) for u in np.unique(unit)]


def by_lattice(values: Array, spread: Spread, lattice: Lattice) -> Array:
    """`[…, subsets, nodes]` at the nodes' places of the whole lattice, `[…, subsets, places]`."""
    out = np.zeros((*values.shape[:-1], lattice.size))
    for i, row in enumerate(spread.ids):
        out[..., i, row[row >= 0]] = values[..., i, : (row >= 0).sum()]
    return out


def inside_of(net: Network) -> Tier:
    """The scale-up tier."""
    if net.inside is None:
        raise ValueError("members share a node, but the node has no scale-up fabric")
    return net.inside


def between_of(net: Network) -> Tier:
    """The network cards' tier."""
    if net.between is None:
        raise ValueError("members sit in several nodes, but there is no network between nodes")
    return net.between


def fabric_cost(net: Network) -> float:
    """Nanoseconds per byte of one port or link of the fabric."""
    rate = inside_of(net).rate
    if net.wiring == "fully_connected":
        return (net.per_node - 1) / rate
    return 1.0 / (net.fabric_link() if net.fabric is not None else rate)


def turned(way: Direction, reverse: bool) -> Direction:
    """The way of a port when all traffic goes back."""
    if not reverse:
        return way
    return "receive" if way == "send" else "send" if way == "receive" else way
