"""What ports and links carry in an exchange that is an outer product, from node sums alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.arrays import Array
from moec.backends.network.lattice import OuterSide, outer_loads
from moec.backends.network.ports import (
    Direction,
    PortLoad,
    between_of,
    binding,
    by_lattice,
    capacity,
    changes_rails,
    fabric_cost,
    links,
    shares_node,
    turned,
    units,
)  # fmt: skip
from moec.backends.network.spread import Spread
from moec.backends.network.tiers import Network, Trunk
from moec.compiler.ir.graph import Outer, Relay


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """Traffic `sent` × `share`, both `[…, subsets, nodes, width]`; `hot` is `share` where one receiver is busiest.

    A flow on rails goes from a place of one node to the same place of another, any other flow from everybody to everybody.
    """

    sent: Array
    share: Array
    hot: Array
    rails: bool = False


def loads_of_outer(pairs: Outer, relay: Relay | None, spread: Spread, net: Network) -> list[PortLoad]:
    """Every kind of port and link with the bytes that it carries, `[…, repeat, subsets, links]` each.

    Ports of the receivers' side carry `straggle` times their mean, as each of them may be the hot one.
    """
    straggle = np.asarray(pairs.straggle)[..., None, None, None]
    sent, share = (spread.by_node(np.asarray(x, dtype=float)) for x in (pairs.sent, pairs.share))
    direct = Flow(sent, share, share * straggle)
    if spread.slots.shape[1] == 1:
        return _fabric(direct, pairs.reverse, net)
    relayed = relay is not None
    crossing = changes_rails(net, spread) and not relayed
    if not relayed and not crossing:
        inside = _fabric(direct, pairs.reverse, net) if shares_node(spread) else []
        return inside + _network(direct, direct, pairs.reverse, spread, net)
    near, far = _relayed(direct, relay) if relay is not None else _crossing(direct, pairs.reverse)
    over = _fabric(near, pairs.reverse, net) if shares_node(spread) else []
    return over + _network(far, far if relayed else direct, pairs.reverse, spread, net)


def _relayed(direct: Flow, relay: Relay) -> tuple[Flow, Flow]:
    """Inside nodes and on the rails, when the network goes to the peer at the same place of a node."""
    entering = relay.entering
    assert isinstance(entering, Outer)
    nodes = np.asarray(entering.share, dtype=float)[..., None]
    hot = nodes * np.asarray(entering.straggle)[..., None, None, None]
    gathered = direct.sent.sum(-2, keepdims=True)
    return Flow(gathered, direct.share, direct.hot), Flow(
        spread_over(entering.sent, direct.sent), nodes, hot, rails=True
    )


def spread_over(sent: Array, like: Array) -> Array:
    """`sent` `[…, subsets, size]` node by node, `[…, subsets, nodes, width]`, as `like` is."""
    values = np.asarray(sent, dtype=float)
    return values.reshape(*values.shape[:-1], *like.shape[-2:])


def _crossing(direct: Flow, reverse: bool) -> tuple[Flow, Flow]:
    """Inside nodes and on the rails, when messages change rails in the node that they come from."""
    extra = direct.hot - direct.share
    if not reverse:
        attracted = direct.share.sum(-2, keepdims=True)
        near = Flow(direct.sent, attracted, attracted + extra.max(-2, keepdims=True))
        return near, Flow(direct.sent.sum(-1, keepdims=True), direct.share, direct.hot, rails=True)
    nodes = direct.share.sum(-1, keepdims=True)
    near = Flow(direct.sent.sum(-2, keepdims=True), direct.share, direct.hot)
    return near, Flow(direct.sent, nodes, nodes + extra.max(-1, keepdims=True), rails=True)


def _fabric(flow: Flow, reverse: bool, net: Network) -> list[PortLoad]:
    cost, lattice = fabric_cost(net), net.fabric
    if lattice is not None:
        a, b = OuterSide(flow.sent), OuterSide(flow.share, flow.hot - flow.share)
        carried = outer_loads(lattice, b, a) if reverse else outer_loads(lattice, a, b)
        return [links("scale-up link", "", "fabric", carried, 2, cost)]
    if net.wiring == "fully_connected":
        pair = flow.sent[..., :, None] * flow.hot[..., None, :] * ~np.eye(flow.hot.shape[-1], dtype=bool)
        return [links("scale-up link", "", "pair", np.swapaxes(pair, -1, -2) if reverse else pair, 3, cost)]
    out = flow.sent * (flow.share.sum(-1, keepdims=True) - flow.share)
    into = flow.hot * (flow.sent.sum(-1, keepdims=True) - flow.sent)
    return _both("scale-up port", out, into, reverse, cost)


def _both(kind: str, out: Array, into: Array, reverse: bool, cost: float) -> list[PortLoad]:
    ways: tuple[tuple[Direction, Array], ...] = (("send", out), ("receive", into))
    return [links(kind, turned(way, reverse), "member", values, 2, cost) for way, values in ways]


def _network(far: Flow, whole: Flow, reverse: bool, spread: Spread, net: Network) -> list[PortLoad]:
    """Cards, trunks and links between nodes; `whole` has the same bytes from node to node as `far`."""
    if far.rails:
        out = far.sent * (far.share.sum(-2, keepdims=True) - far.share)
        into = far.hot * (far.sent.sum(-2, keepdims=True) - far.sent)
    else:
        out = far.sent * _elsewhere(far.share)
        into = far.hot * _elsewhere(far.sent)
    found = _both("network card", out, into, reverse, 1.0 / between_of(net).rate)
    narrow = binding(net)
    if not narrow and net.lattice is None:
        return found
    nodes = _between_nodes(whole)
    for trunk in narrow:
        if not trunk.railed:
            found += _trunk(nodes, reverse, spread, trunk, net)
        elif far.rails:
            found += _trunk(far, reverse, spread, trunk, net)
        else:
            found += _spine(far, reverse, spread, trunk, net)
    if net.lattice is not None:
        a, b, e = (
            by_lattice(v[..., 0], spread, net.lattice) for v in (nodes.sent, nodes.share, nodes.hot - nodes.share)
        )
        sides = (OuterSide(b, e), OuterSide(a)) if reverse else (OuterSide(a), OuterSide(b, e))
        found.append(
            PortLoad("link between nodes", "", "nodes", outer_loads(net.lattice, *sides), 1.0 / net.node_link())
        )
    return found


def _elsewhere(values: Array) -> Array:
    """For each node, the sum over the other nodes, `[…, nodes, 1]`."""
    node = values.sum(-1, keepdims=True)
    other: Array = node.sum(-2, keepdims=True) - node
    return other


def _between_nodes(flow: Flow) -> Flow:
    """The flow from node to node, one wide; one hot receiver makes its node hot."""
    if flow.rails:  # the share is the node's, the same on every rail
        return Flow(flow.sent.sum(-1, keepdims=True), flow.share, flow.hot, rails=True)
    share = flow.share.sum(-1, keepdims=True)
    hot = share + (flow.hot - flow.share).max(-1, keepdims=True)
    return Flow(flow.sent.sum(-1, keepdims=True), share, hot, rails=True)


def _trunk(flow: Flow, reverse: bool, spread: Spread, trunk: Trunk, net: Network) -> list[PortLoad]:
    """What leaves and enters units of nodes, rail by rail if the flow is as wide as a node."""
    unit = units(spread, trunk.nodes)
    sent, share = (_summed(v, unit) for v in (flow.sent, flow.share))
    hot = share + _highest(flow.hot - flow.share, unit)
    out = sent * (share.sum(-2, keepdims=True) - share)
    into = hot * (sent.sum(-2, keepdims=True) - sent)
    return _trunk_loads(out, into, reverse, trunk, net)


def _spine(flow: Flow, reverse: bool, spread: Spread, trunk: Trunk, net: Network) -> list[PortLoad]:
    """The same for switches of one rail when messages may go to any: what stays in a node or on a switch is taken off."""
    unit = units(spread, trunk.nodes)

    def leaving(mine: Array, theirs: Array) -> Array:
        total, node = theirs.sum((-1, -2), keepdims=True), theirs.sum(-1, keepdims=True)
        same = np.einsum("snu,...suw->...snw", unit, _summed(theirs, unit))
        away: Array = mine * (total - node - same + theirs)
        return away

    out = _summed(leaving(flow.sent, flow.share), unit)
    into = _summed(leaving(flow.share, flow.sent), unit)
    into = into + _highest(leaving(flow.hot - flow.share, flow.sent), unit)
    return _trunk_loads(out, into, reverse, trunk, net)


def _trunk_loads(out: Array, into: Array, reverse: bool, trunk: Trunk, net: Network) -> list[PortLoad]:
    ways: tuple[tuple[Direction, Array], ...] = (("send", out), ("receive", into))
    cost = 1.0 / capacity(trunk, net)
    place = "rail unit" if trunk.railed else "unit"
    return [links(trunk.name, turned(way, reverse), place, values, 2, cost) for way, values in ways]  # type: ignore[arg-type]


def _summed(values: Array, unit: Array) -> Array:
    """`[…, subsets, nodes, width]` to `[…, subsets, units, width]`."""
    total: Array = np.einsum("snu,...snw->...suw", unit, values)
    return total


def _highest(extra: Array, unit: Array) -> Array:
    most: Array = (extra[..., :, None, :] * unit[..., None]).max(-3)
    return most
