"""How long communication takes on tiers of links, by the α-β model: steps × latency + bytes ÷ rate of the busiest link."""

from __future__ import annotations

from functools import reduce

import numpy as np

from moec.arrays import Array
from moec.backends.network.collectives import CollectiveAlgorithm, algorithms
from moec.backends.network.latencies import exchange_fixed
from moec.backends.network.loads.dense import loads_of_dense
from moec.backends.network.loads.even import even_port_ns, is_even
from moec.backends.network.loads.outer import loads_of_outer
from moec.backends.network.ports import PortLoad, spread_for
from moec.backends.network.sends import costs_of_sends
from moec.backends.network.spread import Spread
from moec.backends.network.tiers import NS, Network, Tier, Trunk, network_of, network_of_cluster
from moec.compiler.ir.graph import CollectiveKind, Dense, Outer, Relay
from moec.dsl.schema import Device

__all__ = [
    "CollectiveAlgorithm",
    "Network",
    "PortLoad",
    "Tier",
    "Trunk",
    "alltoall_ns",
    "collective_ns",
    "collective_ways",
    "exchange_loads",
    "network_of",
    "network_of_cluster",
    "send_costs",
    "transfer_ns",
]


def collective_ns(kind: CollectiveKind, bytes: Array, members: Array, net: Network) -> Array:
    """Time of one collective in every subset of a group, in nanoseconds.

    `bytes` `[…, subsets]`: the full buffer (see `graph.Collective`); `members` `[subsets, size]`: global ranks,
    ascending. Inside a node a ring; across nodes the faster of a flat ring and of a ring per rail between two rings
    inside the nodes (Thakur et al. 2005; NCCL's ring and its hierarchical form); on a mesh of devices the faster of a
    ring and of lines along rows and columns. `net.collectives` may ask for one of them. Subsets that share links share
    their rate, as if all had as much to send. Result `[…, subsets]`, 0 where there is nothing to send.
    """
    buffer = np.asarray(bytes, dtype=float)
    ranks = np.ascontiguousarray(members, dtype=np.int64)
    if ranks.shape[-1] == 1:
        return np.zeros(np.broadcast_shapes(buffer.shape, ranks.shape[:1]))
    known = net.measured.collective_ns(kind, buffer, ranks, net.per_node) if net.measured else None
    if known is not None:
        return known
    first, *others = algorithms(kind, ranks.tobytes(), ranks.shape[-1], net)
    time = first.fixed + first.per_byte * buffer
    for way in others:
        time = np.minimum(time, way.fixed + way.per_byte * buffer)
    return np.where(buffer > 0, time, 0.0)


def collective_ways(kind: CollectiveKind, members: Array, net: Network) -> tuple[CollectiveAlgorithm, ...]:
    """The algorithms that `collective_ns` chooses from for groups of at least two members."""
    ranks = np.ascontiguousarray(members, dtype=np.int64)
    return algorithms(kind, ranks.tobytes(), ranks.shape[-1], net)


def alltoall_ns(pairs: Dense | Outer, members: Array, net: Network, relay: Relay | None = None) -> Array:
    """When every member of a subset has sent and received its share, in nanoseconds, `[…, subsets]`.

    Launch + latency + the busiest port or link (see `exchange_loads`); all work in both directions and at once. No
    schedule can beat this bound; a good one comes near. A relayed exchange is cut into pieces, so that its two steps go
    on at the same time. 0 where there is nothing to send.
    """
    if members.shape[-1] == 1:
        amount = pairs.bytes[..., 0] if isinstance(pairs, Dense) else pairs.sent
        return np.zeros(np.shape(amount)[:-1])
    spread = _spread(members, net, relay)
    if isinstance(pairs, Outer) and is_even(pairs, relay, spread, net):
        port = even_port_ns(pairs, relay, spread, net)
    else:
        port = reduce(np.maximum, [load.busiest_ns for load in _loads(pairs, relay, spread, net)])
    if net.measured is not None and net.inside is not None and relay is None:
        known = net.measured.alltoall_ns(port * net.inside.rate, members, net.per_node)
        if known is not None:
            return known
    return np.where(port > 0, port + exchange_fixed(net, spread, relay is not None), 0.0)


def exchange_loads(
    pairs: Dense | Outer, members: Array, net: Network, relay: Relay | None = None
) -> tuple[list[PortLoad], Spread]:
    """What every port and link carries in an exchange, `[…, subsets, links]` per kind, and how its members lie on nodes.

    `members` `[subsets, size]`: global ranks, ascending. ValueError for a relayed exchange among parts of nodes. Bytes to and from members of the same node pass the scale-up ports (or the links on the way), the others the
    devices' own network cards and what lies above them. Messages that change rails, and relayed ones, pass both.
    """
    spread = _spread(members, net, relay)
    return _loads(pairs, relay, spread, net), spread


def _spread(members: Array, net: Network, relay: Relay | None) -> Spread:
    spread = spread_for(members, net, relay)
    if relay is not None and not spread.even and (spread.nodes > 1).any():
        raise ValueError("a two-phase exchange needs whole nodes")
    return spread


def _loads(pairs: Dense | Outer, relay: Relay | None, spread: Spread, net: Network) -> list[PortLoad]:
    if isinstance(pairs, Dense):
        return loads_of_dense(pairs, relay, spread, net)
    return loads_of_outer(pairs, relay, spread, net)


def send_costs(senders: Array, receivers: Array, net: Network) -> tuple[Array, Array]:
    """Nanoseconds of fixed time and nanoseconds per byte, each `[ranks]`, of simultaneous sends from `senders` to `receivers`.

    `senders` and `receivers` `[ranks]` are global ranks. Links that several messages cross are shared as if all had as much to send.
    """
    a, b = (np.ascontiguousarray(ranks, dtype=np.int64).tobytes() for ranks in (senders, receivers))
    return costs_of_sends(a, b, net)


def transfer_ns(bytes: Array, device: Device) -> Array:
    """Nanoseconds to move `bytes`, of any shape, between device and host memory at the host link's rate.

    ValueError when the device has no such link.
    """
    if device.host is None:
        raise ValueError("the device has no link to the host")
    return np.asarray(bytes, dtype=float) * (NS / device.host)
