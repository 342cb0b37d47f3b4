"""How long bytes take on links and in reductions, with the simulator's arithmetic and rounding."""

from __future__ import annotations

from typing import assert_never

from moec.backends.astra.network.topology import AstraNetwork, Dim


def serialization_ns(size: int, dim: Dim) -> int:
    """For how long a message of `size` bytes holds a link."""
    return int(size / dim.rate)


def hop_ns(size: int, dim: Dim) -> int:
    """From entering a link to leaving it (aware)."""
    return int(dim.latency + size / dim.rate)


def flight_ns(size: int, links: int, dim: Dim) -> int:
    """Over `links` links without queueing and cut through (unaware)."""
    return int(links * dim.latency + size / dim.rate)


def reduction_ns(size: int, local_mem_bw: float) -> int:
    """Two reads and a write of the message in local memory; nothing when no rate is known."""
    return 3 * int(size / (local_mem_bw * 1e9) * 1e9) if local_mem_bw else 0


def links_between(a: int, b: int, dim: Dim) -> int:
    """Links that a message crosses between positions `a` ≠ `b` of a dimension."""
    match dim.topology:
        case "FullyConnected":
            return 1
        case "Switch":
            return 2
        case "Ring":
            clockwise = (b - a) % dim.npus
            return min(clockwise, dim.npus - clockwise)
        case _:
            assert_never(dim.topology)


def first_difference(src: int, dst: int, network: AstraNetwork) -> tuple[Dim, int, int]:
    """The first dimension in which two ranks differ and their positions in it.

    The unaware simulator charges a message for this one only, so that crossing two dimensions costs as much as one.
    """
    for dim in network.dimensions:
        src, a = divmod(src, dim.npus)
        dst, b = divmod(dst, dim.npus)
        if a != b:
            return dim, a, b
    raise ValueError("a message from a rank to itself")


def unaware_ns(src: int, dst: int, size: int, network: AstraNetwork) -> int:
    """One message on the congestion-unaware network."""
    dim, a, b = first_difference(src, dst, network)
    return flight_ns(size, links_between(a, b, dim), dim)


def point_to_point_ns(src: int, dst: int, size: int, network: AstraNetwork) -> int:
    """One SEND of `size` ≥ 1 bytes from `src` to another rank `dst` on an idle network, until it has arrived."""
    if network.congestion == "unaware":
        return unaware_ns(src, dst, size, network)
    dim = network.dimensions[0]
    return links_between(src, dst, dim) * hop_ns(size, dim)
