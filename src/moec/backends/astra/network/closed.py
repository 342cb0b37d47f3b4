"""Closed forms of one phase on an otherwise idle network, and the conditions under which they are exact."""

from __future__ import annotations

from math import log2

from moec.backends.astra.network.link import flight_ns, hop_ns, links_between, reduction_ns, serialization_ns
from moec.backends.astra.network.plan import Phase
from moec.backends.astra.network.topology import AstraNetwork, Dim

Form = tuple[int, int, int]
"""Nanoseconds on the network, endpoint delays, nanoseconds of reductions: of the last message's whole history."""


def phase_ns(phase: Phase, dim: Dim, network: AstraNetwork, delay_ns: int) -> int | None:
    """One phase on links of `dim`, all members starting at once; None where only a simulation is exact.

    `dim.npus` is the ring's size: the members are all positions of it.
    """
    match phase.algorithm:
        case "ring":
            form = _ring(phase, dim, network)
        case "direct" if phase.window == 1 and dim.topology != "Ring" and phase.size > 2:
            form = _one_by_one(phase, dim, network)
        case "direct" if phase.window == -1 or phase.window >= phase.size - 1:
            form = _direct(phase, dim, network, delay_ns)
        case "halvingDoubling":
            form = _halving(phase, dim, network)
        case "doubleBinaryTree":
            form = _tree(phase, dim, network)
        case _:
            form = None
    return None if form is None else form[0] + form[1] * delay_ns + form[2]


def _message_ns(size: int, distance: int, dim: Dim, network: AstraNetwork) -> int:
    """One message between positions `distance` apart that meets no other."""
    links = links_between(0, distance, dim)
    return flight_ns(size, links, dim) if network.congestion == "unaware" else links * hop_ns(size, dim)


def _block(phase: Phase) -> int:
    return phase.bytes if phase.kind == "all_gather" else phase.bytes // phase.size


def _ring(phase: Phase, dim: Dim, network: AstraNetwork) -> Form | None:
    """Every member passes its last block on, step by step; an all-to-all passes each block all the way round."""
    n, size = phase.size, _block(phase)
    if size == 0:
        return None
    step, reduce = _message_ns(size, 1, dim, network), reduction_ns(size, network.local_mem_bw)
    match phase.kind:
        case "all_reduce":
            return 2 * (n - 1) * step, 2 * n - 1, (n - 1) * reduce
        case "reduce_scatter":
            return (n - 1) * step, n, (n - 1) * reduce
        case "all_gather":
            return (n - 1) * step, n, 0
        case _:
            return n * (n - 1) // 2 * step, n * (n - 1) // 2 + 1, 0


def _direct(phase: Phase, dim: Dim, network: AstraNetwork, delay_ns: int) -> Form | None:
    """Blocks to all others at once. On an aware switch they queue at the sender's port and leave the switch in a row.

    The second half of an all-reduce begins with the first endpoint that is ready after the last block has come in; that
    is the last block's own only where blocks come in more slowly than endpoints take them.
    """
    n, size = phase.size, _block(phase)
    aware = network.congestion == "aware"
    if size == 0 or (dim.topology == "Ring" and n > 2 and (aware or phase.kind == "all_reduce")):
        return None
    reduce = reduction_ns(size, network.local_mem_bw)
    if dim.topology == "Switch" and aware:
        apart = serialization_ns(size, dim)
        if phase.kind == "all_reduce" and n > 2 and apart <= delay_ns + reduce:
            return None
        step = (n - 2) * apart + 2 * hop_ns(size, dim)
    else:
        step = _message_ns(size, n // 2 if dim.topology == "Ring" else 1, dim, network)
    match phase.kind:
        case "all_reduce":  # in groups the gathered blocks are taken for ones to reduce, too
            return 2 * step, 3, reduce * (2 if phase.group is not None and n > 2 else 1)
        case "reduce_scatter":
            return step, 2, reduce
        case _:
            return step, 2, 0


def _one_by_one(phase: Phase, dim: Dim, network: AstraNetwork) -> Form | None:
    """A window of one block: as many steps as a ring, but every other block of a scatter is reduced."""
    n, size = phase.size, _block(phase)
    if size == 0 or phase.group is not None:
        return None
    step, reduce = _message_ns(size, 1, dim, network), reduction_ns(size, network.local_mem_bw)
    match phase.kind:
        case "all_reduce":
            return 2 * (n - 1) * step, 2 * n - 1, (2 * n + 1) // 4 * reduce
        case "reduce_scatter":
            return (n - 1) * step, n, n // 2 * reduce
        case _:
            return (n - 1) * step, n, 0


def _halving(phase: Phase, dim: Dim, network: AstraNetwork) -> Form | None:
    """Exchanges of halves, quarters … with partners at distances 1, 2, …, and back; partners never share a link.

    The simulator halves once more before it turns round, so sizes must divide once more, too.
    """
    n = phase.size
    shared = dim.topology == "Ring" and (network.congestion == "aware" or phase.kind == "all_reduce")
    if n & (n - 1) or (shared and n > 2):
        return None
    levels = int(log2(n))
    sizes = [phase.bytes >> (i + 1) for i in range(levels)]
    if phase.kind == "all_gather":
        sizes = [phase.bytes << (levels - 1 - i) for i in range(levels)]
    if min(sizes) == 0 or (phase.kind == "all_reduce" and phase.bytes % (2 * n)):
        return None
    once = sum(_message_ns(size, 1 << i, dim, network) for i, size in enumerate(sizes))
    reduce = sum(reduction_ns(size, network.local_mem_bw) for size in sizes[1:])
    match phase.kind:
        case "all_reduce":
            return 2 * once, 2 * levels + 1, reduce
        case "reduce_scatter":
            return once, levels + 1, reduce
        case _:
            return once, levels + 1, 0


def _tree(phase: Phase, dim: Dim, network: AstraNetwork) -> Form | None:
    """Up to the root and down again; two children's messages meet only at a switch's port (aware)."""
    alone = dim.topology == "FullyConnected" or (dim.topology == "Switch" and network.congestion == "unaware")
    if not alone or phase.bytes == 0:
        return None
    levels = int(log2(phase.size))
    reduce = reduction_ns(phase.bytes, network.local_mem_bw)
    return 2 * levels * _message_ns(phase.bytes, 1, dim, network), 2 * levels + 1, (2 * levels - 1) * reduce
