"""How a cluster becomes dimensions of ASTRA-sim's network, which are homogeneous and full of ports alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, assert_never

from moec.backends.network.tiers import Network, Tier, network_of
from moec.diagnostics import Diagnostic
from moec.dsl.schema import AstraSystem, Experiment

NetworkWiring = Literal["Switch", "FullyConnected", "Ring"]


@dataclass(frozen=True, slots=True)
class Dimension:
    """`size` ranks on like links of `rate` bytes per nanosecond and direction; `latency_ns` of one link.

    A switch has two links between any two ranks, so its links have half a step's latency each. `source` says in words
    where the figures are from.
    """

    wiring: NetworkWiring
    size: int
    rate: float
    latency_ns: float
    source: str

    @property
    def bandwidth(self) -> float:
        """In the simulator's GB/s, which count 2^30 bytes."""
        return self.rate * 1e9 / 2**30


@dataclass(frozen=True, slots=True)
class Wired:
    """The ranks that are simulated (at least 2), and their dimensions, the innermost first."""

    ranks: int
    dimensions: tuple[Dimension, ...]


def wire(experiment: Experiment, options: AstraSystem, congestion: str, world: int) -> tuple[Wired, list[Diagnostic]]:
    """`world` ranks of the experiment's cluster, and what becomes of it that the cluster is not."""
    wired, found = _wired(network_of(experiment), options, congestion, world)
    span = experiment.span("cluster")
    if congestion == "unaware" and world > 1 and any(d.wiring == "Switch" for d in wired.dimensions):
        title = "the unaware simulator gives every pair of ranks its own link: incast and `direct` exchanges cost too little"
        found.append(_warning("M413", title, "`congestion = aware` shares the ports of a switch"))
    found += _simplified(network_of(experiment), world)
    return wired, [*(replace(d, span=span, label="this cluster") for d in found), *_left_out(experiment)]


def _wired(net: Network, options: AstraSystem, congestion: str, world: int) -> tuple[Wired, list[Diagnostic]]:
    if world == 1:
        return Wired(2, (Dimension("Switch", 2, 1.0, 0.0, "never used: rank 0 computes, rank 1 idles"),)), []
    if net.inside is not None and world <= net.per_node:
        return Wired(world, (inside(net, world),)), [*_launch(net.inside), *_part(net, world)]
    if net.between is None:
        raise ValueError(f"{world} ranks on a node of {net.per_node} devices, and no network")
    if net.inside is None:
        return Wired(world, (between(net.between, world),)), _launch(net.between)
    if congestion == "unaware" and world % net.per_node == 0:
        dimensions = (inside(net, net.per_node), between(net.between, world // net.per_node))
        return Wired(world, dimensions), [*_launch(net.inside, net.between), _two_dimensions()]
    return _flat(net.inside, net.between, options, world, net.per_node)


def _flat(near: Tier, far: Tier, options: AstraSystem, world: int, per_node: int) -> tuple[Wired, list[Diagnostic]]:
    """Several nodes on one dimension."""
    slow = options.flat == "between"
    used, other = (far, near) if slow else (near, far)
    whose, lost = ("network", "scale-up fabric") if slow else ("scale-up fabric", "network")
    title = (
        f"one dimension for {world} ranks on nodes of {per_node}: every message has the {whose}'s "
        f"{used.rate:.4g} GB/s, also where the {lost} has {other.rate:.4g} GB/s"
    )
    fix = "the unaware simulator has two dimensions (whole nodes only) but sees no congestion"
    return Wired(world, (between(used, world, whose),)), [_warning("M411", title, fix), *_launch(used)]


def inside(net: Network, ranks: int) -> Dimension:
    """`ranks` devices of one node; fewer than it has keep their own links only."""
    tier = net.inside
    if tier is None:
        raise ValueError("the node has no scale-up fabric")
    match net.wiring:
        case "switch":
            return between(tier, ranks, "scale-up fabric")
        case "fully_connected":
            links, wiring = net.per_node - 1, "FullyConnected"
        case "ring" | "mesh":
            # a ring of two is an assertion in the aware simulator; both links of the pair lie side by side
            links, wiring = (2, "Ring") if ranks > 2 else (1, "FullyConnected")
            links = 1 if net.wiring == "mesh" else links  # a mesh's rate is that of one link
        case _:
            assert_never(net.wiring)
    source = f"scale-up fabric: {tier.rate:.6g} GB/s per device over {links} links, {tier.latency_ns:g} ns a step"
    return Dimension(wiring, ranks, tier.rate / links, tier.latency_ns, source)  # type: ignore[arg-type]


def between(tier: Tier, ranks: int, whose: str = "network") -> Dimension:
    """`ranks` ports of a switch."""
    source = f"{whose}: {tier.rate:.6g} GB/s per device, {tier.latency_ns:g} ns a step over two links of the switch"
    return Dimension("Switch", ranks, tier.rate, tier.latency_ns / 2, source)


def _launch(*tiers: Tier) -> list[Diagnostic]:
    launch = max(tier.launch_ns for tier in tiers)
    title = f"the simulator has no fixed cost of starting an exchange: the fabric's {launch / 1e3:g} us are left out"
    return [_warning("M412", title)] if launch else []


def _part(net: Network, world: int) -> list[Diagnostic]:
    if net.wiring != "ring" or world in (2, net.per_node):
        return []
    title = f"{world} of the {net.per_node} devices of a ring are simulated as a ring of their own"
    return [_warning("M414", title)]


def _simplified(net: Network, world: int) -> list[Diagnostic]:
    """Wirings that are no dimension of the simulator."""
    found = []
    if net.wiring == "mesh" and net.inside is not None and world > 1:
        x, y = net.grid
        found.append(_warning("M416", f"the simulator has no mesh: the {x} x {y} devices of a node are a ring to it"))
    if world > net.per_node and (net.lattice is not None or net.cross_rail or net.trunks):
        title = "to the simulator the network between nodes is one switch: rails, oversubscription, tiers and neighbours are lost"
        found.append(_warning("M417", title))
    return found


def _left_out(experiment: Experiment) -> list[Diagnostic]:
    """Parts of the plan that traces do not tell the simulator."""
    plan, found = experiment.parallelism, []
    if plan.exchange.route == "two_phase" and experiment.model.moe is not None:
        title = "traces send a two-phase exchange straight from rank to rank"
        asked = experiment.span("parallelism.exchange.route")
        found.append(replace(_warning("M418", title), span=asked, label="not in the traces"))
    if plan.interference:
        title = "to the simulator communication slows no kernel: `interference` is left out"
        asked = experiment.span("parallelism.interference")
        found.append(replace(_warning("M419", title), span=asked, label="not in the traces"))
    return found


def _two_dimensions() -> Diagnostic:
    title = (
        "on two dimensions the simulator charges a message between two ranks only inside the node when they differ "
        "there, and runs all-to-alls of parts of the ranks as rings"
    )
    return _warning("M415", title, "`congestion = aware` has neither fault, on one dimension")


def _warning(code: str, title: str, help: str = "") -> Diagnostic:
    return Diagnostic(code, title, help=help, severity="warning")
