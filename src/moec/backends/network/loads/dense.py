"""What ports and links carry in an exchange given by its full matrices."""

from __future__ import annotations

import numpy as np

from moec.arrays import Array
from moec.backends.network.lattice import Lattice, link_loads
from moec.backends.network.ports import (
    Direction,
    PortLoad,
    between_of,
    binding,
    capacity,
    changes_rails,
    fabric_cost,
    links,
    shares_node,
    units,
)  # fmt: skip
from moec.backends.network.spread import Spread
from moec.backends.network.tiers import Network, Trunk
from moec.compiler.ir.graph import Dense, Relay


def loads_of_dense(pairs: Dense, relay: Relay | None, spread: Spread, net: Network) -> list[PortLoad]:
    """Every kind of port and link with the bytes that it carries, `[…, repeat, subsets, links]` each.

    Ports carry what their member sends or receives, links what passes them; the diagonal of `pairs` stays at home.
    """
    matrix = spread.pairs_by_node(np.asarray(pairs.bytes, dtype=float))
    if spread.slots.shape[1] == 1:
        return _fabric(matrix[..., :, 0, :], net)
    crossing = changes_rails(net, spread) and relay is None
    near = _near(matrix, relay, crossing)
    over = _fabric(near, net) if shares_node(spread) else []
    if relay is None and not crossing:
        return over + _free(matrix, spread, net)
    rails = matrix.sum(-3) if relay is None else _entering(relay, spread)
    return over + _on_rails(_off_node(rails), spread, net)


def _near(matrix: Array, relay: Relay | None, crossing: bool) -> Array:
    """Bytes from place to place inside every node, `[…, subsets, nodes, width, width]`.

    Messages that change rails do so in the node that they come from, relayed ones in the node that they go to.
    """
    if crossing or (relay is not None and relay.reverse):
        inside: Array = matrix.sum(-2)
        return inside
    if relay is not None:
        return np.moveaxis(matrix.sum(-4), -3, -2)
    return np.moveaxis(matrix.diagonal(axis1=-4, axis2=-2), -1, -3)


def _entering(relay: Relay, spread: Spread) -> Array:
    """Bytes from node to node on every rail, `[…, subsets, nodes, nodes, width]`."""
    assert isinstance(relay.entering, Dense)
    nodes, width = spread.slots.shape[1:]
    bytes = np.asarray(relay.entering.bytes, dtype=float)
    by_node = bytes.reshape(*bytes.shape[:-2], nodes, width, nodes)
    going = np.swapaxes(by_node, -1, -2)
    return np.swapaxes(going, -3, -2) if relay.reverse else going


def _off_node(rails: Array) -> Array:
    """Without what stays in its node."""
    nodes = rails.shape[-2]
    left: Array = rails * ~np.eye(nodes, dtype=bool)[:, :, None]
    return left


def _fabric(near: Array, net: Network) -> list[PortLoad]:
    cost, lattice = fabric_cost(net), net.fabric
    if lattice is not None:
        return [links("scale-up link", "", "fabric", link_loads(lattice, near), 2, cost)]
    near = near * ~np.eye(near.shape[-1], dtype=bool)
    if net.wiring == "fully_connected":
        return [links("scale-up link", "", "pair", near, 3, cost)]
    return _both("scale-up port", near.sum(-1), near.sum(-2), cost)


def _both(kind: str, out: Array, into: Array, cost: float) -> list[PortLoad]:
    ways: tuple[tuple[Direction, Array], ...] = (("send", out), ("receive", into))
    return [links(kind, way, "member", values, 2, cost) for way, values in ways]


def _free(matrix: Array, spread: Spread, net: Network) -> list[PortLoad]:
    """The network when messages go straight from card to card."""
    out, into = matrix.sum(-1), matrix.sum(-3)  # [from node, place, to node], [from node, to node, place]
    leaving = out.sum(-1) - np.moveaxis(out.diagonal(axis1=-3, axis2=-1), -1, -2)
    arriving = into.sum(-3) - np.moveaxis(into.diagonal(axis1=-3, axis2=-2), -1, -2)
    found = _both("network card", leaving, arriving, 1.0 / between_of(net).rate)
    for trunk in binding(net):
        if trunk.railed:
            unit = units(spread, trunk.nodes)
            same = matrix.diagonal(axis1=-3, axis2=-1)  # [from node, to node, place]
            kept = _grouped(_off_node(same), unit).diagonal(axis1=-3, axis2=-2)
            stays = np.moveaxis(kept, -1, -2)
            ends = [np.einsum("snu,...snw->...suw", unit, v) - stays for v in (leaving, arriving)]
            found += _ends(ends[0], ends[1], trunk, net)
    return found + _nodes(out.sum(-2)[..., None], spread, net)


def _on_rails(rails: Array, spread: Spread, net: Network) -> list[PortLoad]:
    """The network when messages stay on their rail."""
    found = _both("network card", rails.sum(-2), rails.sum(-3), 1.0 / between_of(net).rate)
    for trunk in binding(net):
        if trunk.railed:
            found += _trunk(rails, spread, trunk, net)
    return found + _nodes(rails.sum(-1, keepdims=True), spread, net)


def _nodes(matrix: Array, spread: Spread, net: Network) -> list[PortLoad]:
    """Trunks of whole nodes, and links between them, for bytes `[…, subsets, nodes, nodes, 1]`."""
    found: list[PortLoad] = []
    for trunk in binding(net):
        if not trunk.railed:
            found += _trunk(matrix, spread, trunk, net)
    if net.lattice is not None:
        placed = _placed(matrix[..., 0], spread, net.lattice)
        found.append(
            PortLoad("link between nodes", "", "nodes", link_loads(net.lattice, placed), 1.0 / net.node_link())
        )
    return found


def _trunk(rails: Array, spread: Spread, trunk: Trunk, net: Network) -> list[PortLoad]:
    grouped = _grouped(rails, units(spread, trunk.nodes))
    stays = np.moveaxis(grouped.diagonal(axis1=-3, axis2=-2), -1, -2)
    return _ends(grouped.sum(-2) - stays, grouped.sum(-3) - stays, trunk, net)


def _grouped(rails: Array, unit: Array) -> Array:
    """`[…, subsets, nodes, nodes, width]` to units at both ends."""
    total: Array = np.einsum("snu,smv,...snmw->...suvw", unit, unit, rails, optimize=True)
    return total


def _ends(out: Array, into: Array, trunk: Trunk, net: Network) -> list[PortLoad]:
    ways: tuple[tuple[Direction, Array], ...] = (("send", out), ("receive", into))
    cost = 1.0 / capacity(trunk, net)
    return [links(trunk.name, way, "rail unit" if trunk.railed else "unit", v, 2, cost) for way, v in ways]


def _placed(matrix: Array, spread: Spread, lattice: Lattice) -> Array:
    """`[…, subsets, nodes, nodes]` at the nodes' places of the whole lattice."""
    out = np.zeros((*matrix.shape[:-2], lattice.size, lattice.size))
    for i, row in enumerate(spread.ids):
        ids, count = row[row >= 0], int((row >= 0).sum())
        out[..., i, ids[:, None], ids] = matrix[..., i, :count, :count]
    return out
