"""The network file as the simulator reads it, and what it cannot read of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moec.backends.astra.files.yaml_cpp import Node, as_double, as_int, load

_LISTS: dict[str, Any] = {"topology": str, "npus_count": int, "bandwidth": (int, float), "latency": (int, float)}
_NUMBERS: dict[str, Callable[[Node], float | None]] = {
    "npus_count": as_int,
    "bandwidth": as_double,
    "latency": as_double,
}
_TOPOLOGIES = ("Ring", "FullyConnected", "Switch")


def read(text: str) -> dict[str, Any]:
    """The keys of a network file: lists of numbers and names where the simulator reads such, else what is written.

    Raises NotYaml.
    """
    root = load(text)
    found: dict[str, Any] = {}
    for key, value in root if isinstance(root, tuple) else ():
        if isinstance(key, str):
            kind = _NUMBERS.get(key)
            found[key] = [_entry(entry, kind) for entry in value] if isinstance(value, list) else value
    return found


def _entry(node: Node, kind: Callable[[Node], float | None] | None) -> Any:
    """A number if the library takes it for one."""
    number = kind(node) if kind else None
    return node if number is None else number


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
    yield from (f"{key} is .nan" for key in ("bandwidth", "latency") for x in _entries(network, key) if x != x)
    yield from (
        f"bandwidth {b} is not over 0" for b in _entries(network, "bandwidth") if isinstance(b, (int, float)) and b <= 0
    )
    yield from (
        f"latency {x} is below 0" for x in _entries(network, "latency") if isinstance(x, (int, float)) and x < 0
    )


def _entries(network: Mapping[str, Any], key: str) -> list[Any]:
    value = network.get(key)
    return value if isinstance(value, list) else []
