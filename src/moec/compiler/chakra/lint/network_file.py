"""What the simulator cannot read of a network file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_LISTS: dict[str, Any] = {"topology": str, "npus_count": int, "bandwidth": (int, float), "latency": (int, float)}
_TOPOLOGIES = ("Ring", "FullyConnected", "Switch")


def faults(network: Mapping[str, Any]) -> Iterator[str]:
    """Each in a clause; none for a file that is sound."""
    for key, kind in _LISTS.items():
        value = network.get(key)
        if not isinstance(value, list) or not value:
            yield f"`{key}` is no list" if key in network else f"`{key}` is missing"
        elif not all(isinstance(v, kind) for v in value):
            yield f"`{key}` has an entry of the wrong type"
    lengths = {key: len(network[key]) for key in _LISTS if isinstance(network.get(key), list)}
    if len(set(lengths.values())) > 1:
        yield "lists of unlike lengths: " + ", ".join(f"{key} {n}" for key, n in lengths.items())
    yield from (f"topology `{t}` is not known" for t in _entries(network, "topology") if t not in _TOPOLOGIES)
    yield from (
        f"npus_count {n} is less than 2" for n in _entries(network, "npus_count") if isinstance(n, int) and n < 2
    )
    yield from (
        f"bandwidth {b} is not over 0" for b in _entries(network, "bandwidth") if isinstance(b, (int, float)) and b <= 0
    )
    yield from (
        f"latency {x} is below 0" for x in _entries(network, "latency") if isinstance(x, (int, float)) and x < 0
    )


def _entries(network: Mapping[str, Any], key: str) -> list[Any]:
    value = network.get(key)
    return value if isinstance(value, list) else []
