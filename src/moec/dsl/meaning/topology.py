"""What fields of fabrics and networks have to agree on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moec.dsl import schema

Problem = tuple[str, str]
"""A title and what to do."""


def _routed_mesh(built: schema.Fabric) -> Problem | None:
    if built.routing is None or isinstance(built.topology, schema.Mesh):
        return None
    title = f"`routing = {built.routing}` needs a mesh, but the topology is `{built.topology}`"
    return title, "drop `routing`, or say `topology = mesh(…)`"


def _whole_mesh(built: schema.Node) -> Problem | None:
    return _places(built.fabric.topology, built.devices, "devices")


def _places(topology: object, count: int, what: str) -> Problem | None:
    if not isinstance(topology, schema.Mesh) or topology.x * topology.y == count:
        return None
    places = topology.x * topology.y
    title = f"`mesh({topology.x}, {topology.y})` has {places} places, there are {count} {what}"
    return title, f"`{what} = {places}` fills it"


def _tiers(built: schema.Network) -> Problem | None:
    if built.beyond is None:
        return (
            None
            if built.nodes is None
            else ("`nodes` without a network `beyond`", "drop `nodes`, or add `beyond { … }`")
        )
    if built.nodes is None:
        return "a network `beyond` needs the `nodes` that this one joins", "add `nodes = …`"
    if not isinstance(built.topology, str | schema.FatTree | schema.RailOptimized) or built.topology == "ring":
        return "a ring or a mesh of nodes has no network `beyond` it", "use `topology = switch`, or drop `beyond`"
    if built.beyond.topology != "switch":
        return "the network `beyond` another is a switch", "drop its `topology`; its link may be as narrow as you like"
    inner, outer = built.nodes, built.beyond.nodes
    if outer is not None and (outer <= inner or outer % inner):
        return (
            f"`beyond` joins {outer} nodes, not a multiple of the {inner} of the tier within",
            f"`nodes = {2 * inner}`",
        )
    return None


def _whole_grid(built: schema.Cluster) -> Problem | None:
    return _places(built.network.topology, built.nodes, "nodes") if built.network is not None else None


TOPOLOGY_LAWS: dict[type, Callable[[Any], Problem | None]] = {
    schema.Fabric: _routed_mesh,
    schema.Node: _whole_mesh,
    schema.Network: _tiers,
    schema.Cluster: _whole_grid,
}
"""What is wrong with a built value, if anything."""
