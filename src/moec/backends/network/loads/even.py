"""The busiest port of an exchange in which every member receives an equal share.

Sums and extremes of what is sent are enough then. The general form (`outer.py`) gives the same at twice the time.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from moec.arrays import Array
from moec.backends.network.latencies import steps_in_turn
from moec.backends.network.ports import between_of, fabric_cost, shares_node
from moec.backends.network.spread import Spread
from moec.backends.network.tiers import Network
from moec.compiler.ir.graph import Outer, Relay


def is_even(pairs: Outer, relay: Relay | None, spread: Spread, net: Network) -> bool:
    """Whether every member receives an equal share (one value, broadcast over the members), and only ports limit the rate.

    All exchanges of expected routing behind switches with full bisection are such. A test holds `even_port_ns` to equal the
    general form.
    """
    alike = pairs.share.strides[-1] == 0 and spread.even and net.wiring == "switch" and net.lattice is None
    if relay is not None and not (isinstance(relay.entering, Outer) and relay.entering.share.strides[-1] == 0):
        return False
    return alike and all(t.rate >= between_of(net).rate for t in net.trunks)


def even_port_ns(pairs: Outer, relay: Relay | None, spread: Spread, net: Network) -> Array:
    """Nanoseconds of the busiest port, `[…, subsets]`."""
    return _at_least(*_ports(pairs, relay, spread, net))


def _at_least(*ports: Array) -> Array:
    longest: Array = reduce(np.maximum, ports)
    return longest


def _ports(pairs: Outer, relay: Relay | None, spread: Spread, net: Network) -> tuple[Array, ...]:
    """The busiest scale-up ports and network cards."""
    sent, share, straggle = spread.by_node(pairs.sent), pairs.share[..., 0], np.asarray(pairs.straggle)[..., None]
    (nodes, width), most = sent.shape[-2:], pairs.sent.max(axis=-1)
    near = share * fabric_cost(net) if shares_node(spread) else 0.0
    if nodes == 1:
        others = pairs.sent.sum(axis=-1) - pairs.sent.min(axis=-1)
        return (np.maximum(most * (width - 1), others * straggle) * near,)
    far = share / between_of(net).rate
    if steps_in_turn(net, spread, relay is not None) and (relay is not None or pairs.reverse):
        rail = sent.sum(axis=-2)
        others = rail.sum(axis=-1) - rail.min(axis=-1)
        inside = np.maximum(rail.max(axis=-1) * (width - 1), others * straggle) * near
        into = (rail[..., None, :] - sent).max(axis=(-2, -1))
        if relay is not None and isinstance(relay.entering, Outer):
            late = np.asarray(relay.entering.straggle)[..., None]
            far = relay.entering.share[..., 0] / between_of(net).rate
            return inside, np.maximum(most * (nodes - 1), into * late) * far
        return inside, np.maximum(most * ((nodes - 1) * width), into * (width - 1 + straggle)) * far
    node = sent.sum(axis=-1)
    beside = (node - sent.min(axis=-1)).max(axis=-1)
    into = (node.sum(axis=-1) - node.min(axis=-1)) * straggle
    if steps_in_turn(net, spread, False):
        inside = np.maximum(most * ((width - 1) * nodes), beside * (nodes - 1 + straggle)) * near
        return inside, np.maximum(node.max(axis=-1) * (nodes - 1), into) * far
    inside = np.maximum(most * (width - 1), beside * straggle) * near
    return inside, np.maximum(most * ((nodes - 1) * width), into) * far
