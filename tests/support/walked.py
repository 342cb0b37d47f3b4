"""Exchanges walked message by message and link by link: what every port and link carries, the slow and plain way."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from moec.backends.network.tiers import Network

Loads = dict[tuple[str, str], dict[object, float]]


def walked(matrix: np.ndarray, net: Network, entering: np.ndarray | None = None, *, back: bool = False) -> Loads:
    """(kind, way) -> port or link -> bytes, for ranks 0, 1, … on whole nodes.

    `entering` `[ranks, nodes]`: the network's part of a two-phase exchange; `back`: on its way back.
    """
    loads: Loads = defaultdict(lambda: defaultdict(float))
    per = net.per_node
    for s in range(len(matrix)):
        for d in range(len(matrix)):
            volume = float(matrix[s, d])
            if s // per == d // per:
                _inside(loads, net, s, d, volume)
            elif entering is not None:  # forwarded where it arrives, or gathered where it sets out
                peer = (s if back else d) // per * per + (d if back else s) % per
                _inside(loads, net, *((s, peer) if back else (peer, d)), volume)
            elif net.cross_rail:
                peer = s // per * per + d % per
                _inside(loads, net, s, peer, volume)
                _between(loads, net, peer, d, volume)
            else:
                _between(loads, net, s, d, volume)
    if entering is not None:
        for s, row in enumerate(entering):
            for node, volume in enumerate(row):
                if node != s // per:
                    ends = (s, node * per + s % per)
                    _between(loads, net, *(ends[::-1] if back else ends), float(volume))
    return loads


def _inside(loads: Loads, net: Network, a: int, b: int, volume: float) -> None:
    if a == b:
        return
    node, here, there = a // net.per_node, a % net.per_node, b % net.per_node
    if net.wiring == "switch":
        loads["scale-up port", "send"][a] += volume
        loads["scale-up port", "receive"][b] += volume
    elif net.wiring == "fully_connected":
        loads["scale-up link", ""][a, b] += volume
    else:
        assert net.fabric is not None
        for link, part in net.fabric.way(here, there):
            loads["scale-up link", ""][node, link] += volume * part


def _between(loads: Loads, net: Network, a: int, b: int, volume: float) -> None:
    node_a, node_b = a // net.per_node, b // net.per_node
    loads["network card", "send"][a] += volume
    loads["network card", "receive"][b] += volume
    for trunk in net.trunks:
        ends = [(n // trunk.nodes, r % net.per_node if trunk.railed else 0) for n, r in ((node_a, a), (node_b, b))]
        if ends[0] != ends[1]:
            loads[trunk.name, "send"][ends[0]] += volume
            loads[trunk.name, "receive"][ends[1]] += volume
    if net.lattice is not None:
        for link, part in net.lattice.way(node_a, node_b):
            loads["link between nodes", ""][link] += volume * part
