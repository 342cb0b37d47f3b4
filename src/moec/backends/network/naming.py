"""What the ports and links of an exchange are called."""

from __future__ import annotations

from typing import assert_never

from moec.backends.network.lattice import Lattice
from moec.backends.network.ports import PortLoad, unit_names
from moec.backends.network.spread import Spread
from moec.backends.network.tiers import Network, Trunk


def name_of(load: PortLoad, subset: int, link: int, spread: Spread, net: Network) -> str:
    """`network card of rank 12`, `link from rank 3 to rank 4`, `uplinks of nodes 0 to 3`."""
    width = spread.slots.shape[2]
    match load.axis:
        case "member":
            return f"{load.kind} of rank {_rank(spread, subset, link)}"
        case "pair":
            node, pair = divmod(link, width * width)
            ends = (_rank(spread, subset, node * width + place) for place in divmod(pair, width))
            return "{} from rank {} to rank {}".format(load.kind, *ends)
        case "fabric":
            lattice = net.fabric
            assert lattice is not None
            node, inner = divmod(link, lattice.links)
            first = int(spread.ids[subset, node]) * net.per_node
            return "{} from rank {} to rank {}".format(load.kind, *(first + end for end in ends_of(lattice, inner)))
        case "unit" | "rail unit":
            return _unit(load, link, spread, net)
        case "nodes":
            assert net.lattice is not None
            return "link from node {} to node {}".format(*ends_of(net.lattice, link))
        case _:
            assert_never(load.axis)


def _rank(spread: Spread, subset: int, slot: int) -> int:
    member = int(spread.slots[subset].reshape(-1)[slot])
    return int(spread.ranks[subset, member])


def _unit(load: PortLoad, link: int, spread: Spread, net: Network) -> str:
    trunk: Trunk = next(t for t in net.trunks if t.name == load.kind)
    rails = spread.slots.shape[2] if load.axis == "rail unit" else 1
    index, rail = divmod(link, rails)
    first = unit_names(spread, trunk.nodes)[index] * trunk.nodes
    nodes = f"node {first}" if trunk.nodes == 1 else f"nodes {first} to {first + trunk.nodes - 1}"
    return f"uplinks of the switch of rail {rail} for {nodes}" if trunk.railed else f"uplinks of {nodes}"


def ends_of(lattice: Lattice, link: int) -> tuple[int, int]:
    """The places that a link leads from and to, in the numbering of `link_loads`."""
    x, y = lattice.x, lattice.y
    if lattice.wraps:
        back, place = divmod(link, x)
        return place, (place + (-1 if back else 1)) % x
    along = y * 2 * (x - 1)
    if link < along:
        row, inner = divmod(link, 2 * (x - 1))
        a, b = _step(inner, x)
        return row * x + a, row * x + b
    column, inner = divmod(link - along, 2 * (y - 1))
    a, b = _step(inner, y)
    return a * x + column, b * x + column


def _step(inner: int, length: int) -> tuple[int, int]:
    back, place = divmod(inner, length - 1)
    return (place + 1, place) if back else (place, place + 1)
