"""What the tiers of a cluster's network can do: a scale-up fabric inside nodes, network cards and tiers above them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, assert_never

from moec.arrays import Array
from moec.backends.network.lattice import Lattice
from moec.backends.network.spread import Spread, spread_of
from moec.compiler.ir.graph import CollectiveKind
from moec.dsl import schema
from moec.dsl.schema import Cluster, Experiment, FatTree, Link, Mesh, Node, RailOptimized

__all__ = [
    "NS",
    "CollectiveChoice",
    "Network",
    "Spread",
    "Tier",
    "Trunk",
    "Wiring",
    "network_of",
    "network_of_cluster",
    "spread_of",
]

NS = 1e9
Wiring = Literal["switch", "fully_connected", "ring", "mesh"]
CollectiveChoice = Literal["fastest", "flat", "hierarchical"]


@dataclass(frozen=True, slots=True)
class Tier:
    """One port per device. `rate`: bytes per nanosecond and direction that large messages reach (on a mesh, of each
    link); `latency_ns`: of one step; `launch_ns`: of starting one operation; `hop_ns`: added for each link crossed
    inside a node, between nodes for each switch or node after the first.
    """

    rate: float
    latency_ns: float
    launch_ns: float
    hop_ns: float = 0.0


@dataclass(frozen=True, slots=True)
class Trunk:
    """What leaves a unit of `nodes` nodes (where `railed`, of one rail of them) shares its uplinks.

    `rate`: bytes per nanosecond and direction for each device of the unit; `latency_ns` of a step that crosses it.
    """

    name: str
    nodes: int
    railed: bool
    rate: float
    latency_ns: float
    launch_ns: float


class MeasuredCollectives(Protocol):
    """Measured times, asked before the model is (see `measured.py`). Hashable; answers None where nothing was measured."""

    def collective_ns(self, kind: CollectiveKind, buffer: Array, members: Array, per_node: int) -> Array | None:
        """Nanoseconds of a collective of `buffer` bytes, both `[…, subsets]`, among `members` `[subsets, size]`."""
        ...

    def alltoall_ns(self, port: Array, members: Array, per_node: int) -> Array | None:
        """Nanoseconds of an all-to-all with `port` bytes through its busiest port, both `[…, subsets]`."""
        ...


@dataclass(frozen=True, slots=True)
class Network:
    """The tiers of a cluster's network: any number of switch tiers above network cards, above a fabric inside each node.

    Ranks fill nodes of `per_node` devices in order. A tier that nobody can use is absent.

    Every device has two ports, into the fabric `inside` its node and into the network `between` nodes. `wiring` is the
    fabric's: behind a `switch` a port reaches anybody at full rate; on `fully_connected` it is `per_node` − 1 equal
    links, one to each neighbour; on `ring` two; on a `mesh` of `grid` columns and rows up to four, each of the tier's
    rate. Nodes hang on a switch, or on links to their neighbours if there is a `lattice`: a node's cards together then
    are its links. `trunks` are the switch tiers above the cards, the innermost first. `cross_rail`: a message to
    another rail changes rails inside its node first. `measured` answers first, where it can.
    """

    inside: Tier | None
    between: Tier | None
    per_node: int
    wiring: Wiring = "switch"
    grid: tuple[int, int] = (1, 1)
    lattice: Lattice | None = None
    trunks: tuple[Trunk, ...] = ()
    cross_rail: bool = False
    collectives: CollectiveChoice = "fastest"
    measured: MeasuredCollectives | None = None

    @property
    def fabric(self) -> Lattice | None:
        """The places of a node's devices, where they are linked to neighbours only."""
        match self.wiring:
            case "switch" | "fully_connected":
                return None
            case "ring":
                return Lattice(self.per_node, wraps=True)
            case "mesh":
                return Lattice(*self.grid)
            case _:
                assert_never(self.wiring)

    def fabric_link(self) -> float:
        """Bytes per nanosecond of one link of the fabric's ring or mesh."""
        assert self.inside is not None
        return self.inside.rate / 2 if self.wiring == "ring" else self.inside.rate

    def node_link(self) -> float:
        """Bytes per nanosecond of one link between neighbouring nodes."""
        assert self.between is not None and self.lattice is not None
        return self.between.rate * self.per_node / self.lattice.degree


def network_of(experiment: Experiment) -> Network:
    """The network of the experiment's cluster, with the collectives that its plan asks for."""
    return network_of_cluster(experiment.cluster, experiment.parallelism.collectives)


def network_of_cluster(cluster: Cluster, collectives: CollectiveChoice = "fastest") -> Network:
    """All tiers of `cluster`, every figure filled in. ValueError for devices that share a node and have no link at all."""
    node, wiring = cluster.node, cluster.node.fabric.topology
    grid = (wiring.x, wiring.y) if isinstance(wiring, Mesh) else (1, 1)
    name: Wiring = "mesh" if isinstance(wiring, Mesh) else wiring
    inside = _inside(node) if node.devices > 1 else None
    network = cluster.network
    if network is None or cluster.nodes == 1:
        return Network(inside, None, node.devices, name, grid, collectives=collectives)
    between = _network_tier(network)
    over_fabric = isinstance(network.topology, RailOptimized) and network.topology.cross_rail == "fabric"
    return Network(
        inside, between, node.devices, name, grid, _lattice(network, cluster.nodes),
        _trunks(network, between, cluster.nodes), over_fabric and node.devices > 1, collectives,
    )  # fmt: skip


def _lattice(network: schema.Network, nodes: int) -> Lattice | None:
    match network.topology:
        case "ring":
            return Lattice(nodes, wraps=True)
        case Mesh(x=x, y=y):
            return Lattice(x, y)
        case _:
            return None


def _trunks(network: schema.Network, between: Tier, nodes: int) -> tuple[Trunk, ...]:
    """Leaf switches that do not hold all nodes, then the tiers beyond."""
    trunks: list[Trunk] = []
    tree = network.topology
    railed = isinstance(tree, RailOptimized)
    if isinstance(tree, FatTree | RailOptimized) and (railed or tree.leaf < nodes):
        latency = between.latency_ns + 2 * between.hop_ns
        rate = between.rate / tree.oversubscription
        trunks.append(
            Trunk("rail switch" if railed else "leaf switch", tree.leaf, railed, rate, latency, between.launch_ns)
        )
    outer = network
    while outer.beyond is not None and outer.nodes is not None and outer.nodes < nodes:
        tier = _network_tier(outer.beyond)
        latency = tier.latency_ns + 2 * tier.hop_ns
        trunks.append(Trunk(f"group of {outer.nodes} nodes", outer.nodes, False, tier.rate, latency, tier.launch_ns))
        outer = outer.beyond
    return tuple(trunks)


def _network_tier(network: schema.Network) -> Tier:
    link, latency = network.link, network.latency
    latency = link.latency if latency is None else latency
    return _tier(link.bandwidth, link.efficiency, latency, link.launch, network.hop)


def _inside(node: Node) -> Tier:
    """The fabric's figures, else the device's link, else its link to the host (peers meet there)."""
    fabric, device = node.fabric, node.device
    bandwidth = fabric.bandwidth or (device.link.bandwidth if device.link else device.host)
    if bandwidth is None:
        raise ValueError("devices that share a node have neither a fabric, nor a link, nor a link to the host")
    link = device.link or Link(bandwidth)
    latency = link.latency if fabric.hop is None else 0.0
    return _tier(
        bandwidth,
        link.efficiency if fabric.efficiency is None else fabric.efficiency,
        latency if fabric.latency is None else fabric.latency,
        link.launch if fabric.launch is None else fabric.launch,
        fabric.hop or 0.0,
    )


def _tier(bandwidth: float, efficiency: float, latency: float, launch: float, hop: float) -> Tier:
    return Tier(bandwidth * efficiency / NS, latency * NS, launch * NS, hop * NS)
