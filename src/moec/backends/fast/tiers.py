"""What the two tiers of a cluster's network can do: a scale-up fabric inside nodes, network cards between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from moec.compiler.graph import CollectiveKind
from moec.compiler.kernels import Array
from moec.dsl.schema import Cluster, Experiment, Link, Node

NS = 1e9
Wiring = Literal["switch", "fully_connected", "ring"]


@dataclass(frozen=True, slots=True)
class Tier:
    """One port per device. `rate`: bytes per nanosecond and direction that large messages reach; `latency_ns`: of one
    step; `launch_ns`: of starting one operation.
    """

    rate: float
    latency_ns: float
    launch_ns: float


class MeasuredCollectives(Protocol):
    """Times that were measured: asked before the model is (`measured.py`). Hashable; answers None where it has none."""

    def collective_ns(self, kind: CollectiveKind, buffer: Array, members: Array, per_node: int) -> Array | None:
        """Of a collective, as `network.collective_ns`."""
        ...

    def alltoall_ns(self, port: Array, members: Array, per_node: int) -> Array | None:
        """Of an exchange with `port` bytes through the busiest port."""
        ...


@dataclass(frozen=True, slots=True)
class TwoTier:
    """Ranks fill nodes of `per_node` devices in order. A tier that nobody can use is absent.

    `wiring` is the inside tier's: behind a `switch` a port reaches anybody at full rate; on `fully_connected` it is
    `per_node` − 1 equal links, one to each neighbour; on `ring` two.
    """

    inside: Tier | None
    between: Tier | None
    per_node: int
    wiring: Wiring = "switch"
    measured: MeasuredCollectives | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """How the subsets of a group lie on nodes.

    `nodes`: how many a subset touches, `width`: the fewest members on one of them, both `[subsets]`. `slots`
    `[subsets, max nodes, max width]` lists members node by node, filled up with `size` where `even` is false;
    `node_of` `[subsets, size]` says the same the other way round.
    """

    size: int
    nodes: NDArray[np.int64]
    width: NDArray[np.int64]
    slots: NDArray[np.int64]
    node_of: NDArray[np.int64]
    even: bool

    def by_node(self, values: Array) -> Array:
        """`[…, subsets, size]` seen as `[…, subsets, nodes, width]`; a place without a member holds zero."""
        if self.even:
            return values.reshape(*values.shape[:-1], *self.slots.shape[-2:])
        padded = np.concatenate([values, np.zeros_like(values[..., :1])], axis=-1)
        index = np.broadcast_to(self.slots.reshape(len(self.slots), -1), (*values.shape[:-1], self.slots[0].size))
        return np.take_along_axis(padded, index, axis=-1).reshape(*values.shape[:-1], *self.slots.shape[-2:])


def network_of(experiment: Experiment) -> TwoTier:
    """The network of the experiment's cluster."""
    return network_of_cluster(experiment.cluster)


def network_of_cluster(cluster: Cluster) -> TwoTier:
    """Both tiers, every figure filled in."""
    between = None
    if cluster.network is not None and cluster.nodes > 1:
        link, latency = cluster.network.link, cluster.network.latency
        between = _tier(link.bandwidth, link.efficiency, link.latency if latency is None else latency, link.launch)
    inside = _inside(cluster.node) if cluster.node.devices > 1 else None
    return TwoTier(inside, between, cluster.node.devices, cluster.node.fabric.topology)


def _inside(node: Node) -> Tier:
    """The fabric's figures, else the device's link, else its link to the host (peers meet there)."""
    fabric, device = node.fabric, node.device
    bandwidth = fabric.bandwidth or (device.link.bandwidth if device.link else device.host)
    if bandwidth is None:
        raise ValueError("devices that share a node have neither a fabric, nor a link, nor a link to the host")
    link = device.link or Link(bandwidth)
    return _tier(
        bandwidth,
        link.efficiency if fabric.efficiency is None else fabric.efficiency,
        link.latency if fabric.latency is None else fabric.latency,
        link.launch if fabric.launch is None else fabric.launch,
    )


def _tier(bandwidth: float, efficiency: float, latency: float, launch: float) -> Tier:
    return Tier(bandwidth * efficiency / NS, latency * NS, launch * NS)


def spread_of(members: Array, per_node: int) -> Spread:
    """How `members` `[subsets, size]` (global ranks, ascending) lie on nodes of `per_node` devices."""
    ranks = np.ascontiguousarray(members, dtype=np.int64)
    return _spread(ranks.tobytes(), ranks.shape[-1], per_node)


@lru_cache(maxsize=256)
def _spread(ranks: bytes, size: int, per_node: int) -> Spread:
    node = np.frombuffer(ranks, dtype=np.int64).reshape(-1, size) // per_node
    counts = [np.unique(row, return_counts=True)[1] for row in node]
    nodes = np.array([len(row) for row in counts])
    widest = max(int(row.max()) for row in counts)
    slots = np.full((len(node), int(nodes.max()), widest), size)
    for subset, row in enumerate(counts):
        place = np.arange(widest) < row[:, None]
        slots[subset, : len(row)][place] = np.arange(size)
    return Spread(size, nodes, np.array([row.min() for row in counts]), slots, node, bool((slots < size).all()))
