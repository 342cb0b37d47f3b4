"""How long communication takes on a two-tier network, by the α-β model: steps × latency + bytes ÷ rate of the port."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from moec.backends.fast.tiers import NS, Spread, Tier, TwoTier, network_of, network_of_cluster, spread_of
from moec.compiler.graph import CollectiveKind, Dense, Outer
from moec.compiler.kernels import Array
from moec.dsl.schema import Device

__all__ = [
    "Tier",
    "TwoTier",
    "alltoall_ns",
    "collective_ns",
    "network_of",
    "network_of_cluster",
    "sendrecv_ns",
    "transfer_ns",
]

Floats = NDArray[np.floating[Any]]


def collective_ns(kind: CollectiveKind, bytes: Array, members: Array, net: TwoTier) -> Array:
    """Time of one collective in every subset of a group, in nanoseconds.

    `bytes` `[…, subsets]`: the full buffer (see `graph.Collective`); `members` `[subsets, size]`: global ranks,
    ascending. Inside a node a ring; across nodes the faster of a flat ring and of a ring per rail between two rings
    inside the nodes (Thakur et al. 2005; NCCL's ring and its hierarchical form). Result `[…, subsets]`, 0 where there
    is nothing to send.
    """
    ranks = np.ascontiguousarray(members, dtype=np.int64)
    buffer = np.asarray(bytes, dtype=float)
    if ranks.shape[-1] == 1:
        return np.zeros(np.broadcast_shapes(buffer.shape, ranks.shape[:1]))
    known = net.measured.collective_ns(kind, buffer, ranks, net.per_node) if net.measured else None
    if known is not None:
        return known
    fixed, per_byte = _flat(kind, ranks.tobytes(), ranks.shape[-1], net)
    time = fixed + per_byte * buffer
    rails = _rails(kind, ranks.tobytes(), ranks.shape[-1], net)
    if rails is not None:
        time = np.minimum(time, rails[0] + rails[1] * buffer)
    return np.where(buffer > 0, time, 0.0)


@lru_cache(maxsize=1024)
def _flat(kind: CollectiveKind, ranks: bytes, size: int, net: TwoTier) -> tuple[Floats, Floats]:
    """Fixed time and time per byte of rings through all members, `[subsets]`.

    As many rings run side by side as every node has members, so each network card carries one of them out.
    """
    spread = _spread_of(ranks, size, net)
    steps, share = _ring(kind, np.full(spread.nodes.shape, size))
    rate = _inside_rate(net, spread)
    if (spread.nodes > 1).any():
        rate = np.where(spread.nodes > 1, np.minimum(rate, _between(net).rate * spread.width), rate)
    launch, latency = _fixed(net, spread)
    fixed: Floats = launch + steps * latency
    return fixed, share / rate


@lru_cache(maxsize=1024)
def _rails(kind: CollectiveKind, ranks: bytes, size: int, net: TwoTier) -> tuple[Floats, Floats] | None:
    """The same for rings inside the nodes and one ring per rail between them; None where that is no other thing."""
    spread = _spread_of(ranks, size, net)
    if not spread.even or 1 in spread.slots.shape[1:]:
        return None
    steps_in, share_in = _ring(kind, spread.width)
    steps_out, share_out = _ring(kind, spread.nodes)
    fixed: Floats = _fixed(net, spread)[0] + steps_in * _inside(net).latency_ns + steps_out * _between(net).latency_ns
    per_byte: Floats = share_in / _inside_rate(net, spread) + share_out / spread.width / _between(net).rate
    return fixed, per_byte


def _ring(kind: CollectiveKind, n: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Steps, and the share of the buffer that each member sends, in a ring of `n`."""
    match kind:
        case "all_gather" | "reduce_scatter":
            steps: Floats = 1.0 * (n - 1)
        case "all_reduce":
            steps = 2.0 * (n - 1)
        case _:
            assert_never(kind)
    return steps, steps / n


def alltoall_ns(pairs: Dense | Outer, members: Array, net: TwoTier) -> Array:
    """When every member of a subset has sent and received its share, in nanoseconds, `[…, subsets]`.

    Launch + one latency + the busiest port: bytes to and from members of the same node pass the scale-up port, the
    others the device's own network card; ports work in both directions and both tiers at once. No schedule can beat
    this bound; a good one comes near. 0 where there is nothing to send.
    """
    spread = spread_of(members, net.per_node)
    inside, between = _dense_ports(pairs, spread, net) if isinstance(pairs, Dense) else _outer_ports(pairs, spread, net)
    port = inside if between is None else np.maximum(inside, between)
    if net.measured is not None and net.inside is not None:
        known = net.measured.alltoall_ns(inside * net.inside.rate, members, net.per_node)
        if known is not None:
            return known
    launch, latency = _fixed(net, spread)
    return np.where(port > 0, port + (launch + latency), 0.0)


def _outer_ports(pairs: Outer, spread: Spread, net: TwoTier) -> tuple[Array, Array | None]:
    """Time of the busiest port of each tier, `[…, subsets]`, from node sums alone."""
    straggle = np.asarray(pairs.straggle)[..., None]
    sent, share = (spread.by_node(np.asarray(x, dtype=float)) for x in (pairs.sent, pairs.share))
    node_sent, node_share = sent.sum(-1, keepdims=True), share.sum(-1, keepdims=True)
    if net.wiring == "fully_connected":
        inside = (sent * _largest_other(share)).max((-2, -1)) * straggle
    else:
        inside = _busiest(sent * (node_share - share), share * (node_sent - sent), straggle)
    inside = inside * _inside_cost(net, spread)
    if spread.slots.shape[1] == 1:
        return inside, None
    away_share, away_sent = node_share.sum(-2, keepdims=True) - node_share, node_sent.sum(-2, keepdims=True) - node_sent
    return inside, _busiest(sent * away_share, share * away_sent, straggle) / _between(net).rate


def _busiest(out: Array, into: Array, straggle: Array) -> Array:
    """Bytes of the busiest port; straggling is the receivers'."""
    busiest: Array = np.maximum(out.max((-2, -1)), into.max((-2, -1)) * straggle)
    return busiest


def _largest_other(values: Array) -> Array:
    """For each place the largest value at another place of its node."""
    if values.shape[-1] == 1:
        return np.zeros_like(values)
    second, first = np.moveaxis(np.partition(values, -2, axis=-1)[..., -2:, None], -2, 0)
    is_first = np.arange(values.shape[-1]) == values.argmax(-1)[..., None]
    largest: Array = np.where(is_first, second, first)
    return largest


def _dense_ports(pairs: Dense, spread: Spread, net: TwoTier) -> tuple[Array, Array | None]:
    """The same from full matrices."""
    size = spread.size
    matrix = np.asarray(pairs.bytes, dtype=float) * ~np.eye(size, dtype=bool)
    near = spread.node_of[:, :, None] == spread.node_of[:, None, :]
    local = matrix * near
    if net.wiring == "fully_connected":
        inside = local.max((-2, -1))
    else:
        inside = np.maximum(local.sum(-1).max(-1), local.sum(-2).max(-1))
    inside = inside * _inside_cost(net, spread)
    if spread.slots.shape[1] == 1:
        return inside, None
    away = matrix * ~near
    return inside, np.maximum(away.sum(-1).max(-1), away.sum(-2).max(-1)) / _between(net).rate


def _inside_cost(net: TwoTier, spread: Spread) -> float:
    """Nanoseconds per byte at a scale-up port: on a full mesh per byte of one pair, on a ring times the mean hops."""
    if (spread.nodes == spread.size).all():
        return 0.0
    cost, others = 1.0 / _inside(net).rate, net.per_node - 1
    match net.wiring:
        case "switch":
            return cost
        case "fully_connected":
            return cost * others
        case "ring":
            return cost * sum(min(hop, net.per_node - hop) for hop in range(1, net.per_node)) / others
        case _:
            assert_never(net.wiring)


def sendrecv_ns(bytes: Array, hops_between_nodes: Array, net: TwoTier) -> Array:
    """Time of point-to-point sends, all at once; `hops_between_nodes`: true where the peer sits in another node.

    Both broadcast; nanoseconds, 0 where nothing is sent.
    """
    away = np.asarray(hops_between_nodes, dtype=bool)
    volume = np.asarray(bytes, dtype=float)
    time = np.zeros(np.broadcast_shapes(volume.shape, away.shape))
    if not away.all():
        time = np.where(away, time, _message(volume, _inside(net)))
    if away.any():
        time = np.where(away, _message(volume, _between(net)), time)
    return np.where(volume > 0, time, 0.0)


def _message(volume: Array, tier: Tier) -> Array:
    return tier.launch_ns + tier.latency_ns + volume / tier.rate


def transfer_ns(bytes: Array, device: Device) -> Array:
    """Time to move `bytes` between device and host memory at the host link's rate, in nanoseconds."""
    if device.host is None:
        raise ValueError("the device has no link to the host")
    return np.asarray(bytes, dtype=float) * (NS / device.host)


def _spread_of(ranks: bytes, size: int, net: TwoTier) -> Spread:
    return spread_of(np.frombuffer(ranks, dtype=np.int64).reshape(-1, size), net.per_node)


@lru_cache(maxsize=256)
def _fixed(net: TwoTier, spread: Spread) -> tuple[Floats, Floats]:
    """Launch and latency of the slower tier among those that a subset touches, `[subsets]`."""
    launch = np.zeros(spread.nodes.shape)
    latency = np.zeros(spread.nodes.shape)
    touched = ((spread.nodes < spread.size, net.inside), (spread.nodes > 1, net.between))
    for touches, tier in touched:
        if tier is not None:
            launch = np.where(touches, np.maximum(launch, tier.launch_ns), launch)
            latency = np.where(touches, np.maximum(latency, tier.latency_ns), latency)
    return launch, latency


def _inside_rate(net: TwoTier, spread: Spread) -> Floats:
    """What `width` members of a node get of a scale-up port in a ring, bytes per ns; no limit for a lone one."""
    width = spread.width
    if (width == 1).all():
        return np.full(width.shape, np.inf)
    rate = np.full(width.shape, _inside(net).rate)
    match net.wiring:
        case "switch":
            pass
        case "fully_connected":  # links to devices outside the group lie idle
            rate = rate * (width - 1) / (net.per_node - 1)
        case "ring":  # a part of the ring is a line: one link in each direction
            rate = np.where(width < net.per_node, rate / 2, rate)
        case _:
            assert_never(net.wiring)
    return np.where(width == 1, np.inf, rate)


def _inside(net: TwoTier) -> Tier:
    if net.inside is None:
        raise ValueError("members share a node, but the node has no scale-up fabric")
    return net.inside


def _between(net: TwoTier) -> Tier:
    if net.between is None:
        raise ValueError("members sit in several nodes, but there is no network between nodes")
    return net.between
