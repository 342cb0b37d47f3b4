"""Devices, nodes and clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from moec.dsl.schema.fields import Bytes, BytesPerSecond, Flops, Seconds, Watts, spec

Silicon = Literal[
    "a100_sxm", "b200_sxm", "b300_sxm", "b60", "gb200", "gb300", "h100_sxm", "h200_sxm", "l40s", "rtx_pro_6000_server",
]  # fmt: skip
"""Devices with kernel tables in aiconfigurator-core 0.12.0 (folders of `systems/data` with both products and mixtures)."""


@dataclass(frozen=True, slots=True)
class Compute:
    """Dense peak arithmetic rates (no sparsity), per data type. A rate that is absent is not supported in hardware."""

    bf16: Flops = spec("bf16 and fp16 tensor cores", above=0)
    fp32: Flops | None = spec("fp32 outside the tensor cores", None, above=0)
    tf32: Flops | None = spec("tf32 tensor cores", None, above=0)
    fp8: Flops | None = spec("fp8 tensor cores", None, above=0)
    int8: Flops | None = spec("int8 tensor cores", None, above=0)
    fp4: Flops | None = spec("fp4 tensor cores", None, above=0)


@dataclass(frozen=True, slots=True)
class Link:
    """A point-to-point link or a port into a switch.

    The defaults are typical of the NVLink and PCIe links measured with NCCL (`docs/costs.md`): 0.37 to 0.59 of the data
    sheet's bandwidth over all sizes, 0.7 to 1.5 us a step, 6 to 13 us to start.
    """

    bandwidth: BytesPerSecond = spec("per direction, as the data sheet says", above=0)
    latency: Seconds = spec("of one step of a collective over this link", 1e-6, at_least=0)
    efficiency: float = spec("share of the bandwidth that messages reach", 0.55, above=0, at_most=1)
    launch: Seconds = spec("fixed cost of starting one collective over this link", 7e-6, at_least=0)


@dataclass(frozen=True, slots=True)
class Device:
    """An accelerator."""

    memory: Bytes = spec("device memory", above=0)
    bandwidth: BytesPerSecond = spec("peak memory bandwidth", above=0)
    compute: Compute = spec("dense peak rates")
    link: Link | None = spec("scale-up port (NVLink, xGMI, PCIe peer to peer)", None)
    host: BytesPerSecond | None = spec("link to the host, per direction", None, above=0)
    llc: Bytes | None = spec("last-level cache", None, above=0)
    launch: Seconds = spec("launch of one kernel by the host, paid in eager execution", 5e-6, at_least=0)
    power: Watts | None = spec("board power", None, above=0)
    streaming: float | None = spec(
        "share of the memory bandwidth that long reads reach; the cost model's typical one when absent",
        None,
        above=0,
        at_most=1,
    )
    silicon: Silicon | None = spec("its kernel tables in aiconfigurator-core, for `costs = silicon(…)`", None)


@dataclass(frozen=True, slots=True)
class Mesh:
    """A grid without wrap-around links, x first: place i is at column i mod x of row i div x."""

    x: int = spec("columns", at_least=1)
    y: int = spec("rows", at_least=1)


@dataclass(frozen=True, slots=True)
class Fabric:
    """How the devices of one node reach each other; absent figures come from the device's link."""

    topology: Literal["switch", "fully_connected", "ring"] | Mesh = spec("wiring", "switch")
    bandwidth: BytesPerSecond | None = spec(
        "per device and direction; on a mesh of each link to a neighbour", None, above=0
    )
    latency: Seconds | None = spec(
        "of one step of a collective; with `hop`, what a step costs beside its hops (0 when absent)", None, at_least=0
    )
    efficiency: float | None = spec("share of the bandwidth that large messages reach", None, above=0, at_most=1)
    launch: Seconds | None = spec("fixed cost of starting one collective", None, at_least=0)
    hop: Seconds | None = spec(
        "added for each link that a message crosses: 2 through a switch, 1 on a full mesh, the distance on a ring or mesh",
        None,
        at_least=0,
    )
    routing: Literal["xy"] | None = spec("of a mesh: along the row first, then along the column (the only one)", None)


@dataclass(frozen=True, slots=True)
class Host:
    """The node's host."""

    memory: Bytes = spec("host memory", above=0)
    bandwidth: BytesPerSecond = spec("host memory bandwidth", above=0)


@dataclass(frozen=True, slots=True)
class Node:
    """Devices that share a scale-up fabric."""

    device: Device = spec("the accelerator")
    devices: int = spec("accelerators per node", at_least=1)
    fabric: Fabric = spec("the scale-up fabric", factory=Fabric)
    host: Host | None = spec("the host", None)


@dataclass(frozen=True, slots=True)
class RailOptimized:
    """A leaf switch for each rail (the cards of one place in `leaf` nodes), and a spine above the leaf switches."""

    cross_rail: Literal["spine", "fabric"] = spec(
        "a message to another rail crosses the spine (DeepEP and other GPU-initiated sends), or changes rails over the "
        "fabric of the node that it comes from (PXN, NCCL's default)",
        "spine",
    )
    oversubscription: float = spec("bandwidth below a leaf switch over that of its uplinks", 1.0, at_least=1)
    leaf: int = spec("nodes that share leaf switches: 32 in a DGX SuperPOD's scalable unit", 32, at_least=1)


@dataclass(frozen=True, slots=True)
class FatTree:
    """Leaf switches, each for all cards of `leaf` nodes, and a spine above."""

    oversubscription: float = spec("bandwidth below a leaf switch over that of its uplinks", 1.0, at_least=1)
    leaf: int = spec(
        "nodes under one leaf switch: the 32 ports that a 64-port switch has downwards hold 4 nodes of 8", 4, at_least=1
    )


NetworkTopology = Literal["switch", "ring"] | RailOptimized | FatTree | Mesh


@dataclass(frozen=True, slots=True)
class Network:
    """The scale-out network between nodes."""

    link: Link = spec("one device's share of its node's network cards, per direction")
    topology: NetworkTopology = spec("wiring; a `switch` is non-blocking", "switch")
    latency: Seconds | None = spec("of one step between nodes; the link's when absent", None, at_least=0)
    hop: Seconds = spec(
        "added for each switch or node after the first that a message passes; the latency is the whole path's when 0",
        0.0,
        at_least=0,
    )
    nodes: int | None = spec("nodes that it joins, when there is a network `beyond` it", None, at_least=1)
    beyond: Network | None = spec(
        "the next tier, between groups of `nodes` nodes; its link is one device's share of the group's uplinks", None
    )


@dataclass(frozen=True, slots=True)
class Cluster:
    """Like nodes and the network between them."""

    nodes: int = spec("nodes", at_least=1)
    node: Node = spec("what a node is")
    network: Network | None = spec("the network between nodes; needed from two nodes on", None)
