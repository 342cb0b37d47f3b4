"""ASTRA-sim's network file as the simulator reads it (NetworkParser.cpp): its checks in its order, and how each ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isnan
from typing import TypeVar

from moec.backends.astra.files.yaml_cpp import Node, as_double, as_int, load, value_of
from moec.backends.astra.network.refusal import EXIT_NETWORK, Refusal, Stopped, aborts
from moec.backends.astra.network.topology import Dim, Topology

T = TypeVar("T")
LONGEST_NS, SLOWEST = 2.0**53, 1e-100
_TOPOLOGIES: tuple[Topology, ...] = ("Ring", "FullyConnected", "Switch")


class OutOfScale(ValueError):
    """A rate or a latency with which messages take longer than the simulator can count."""


def dims_of(text: str) -> tuple[Dim, ...]:
    """The dimensions. Raises NotYaml, OutOfScale, and Stopped where the simulator ends."""
    root = load(text)
    if isinstance(root, str):
        raise Stopped(aborts("the network file holds one word: `operator[] call on a scalar`"))
    names = [_topology(name) for name in _column(root, "topology", _text)]
    npus = _column(root, "npus_count", as_int)
    bandwidths = _column(root, "bandwidth", as_double)
    latencies = _column(root, "latency", as_double)
    for key, column in (("npus_count", npus), ("bandwidth", bandwidths), ("latency", latencies)):
        if len(column) != len(names):
            raise _exits(f"`length of {key} ({len(column)}) doesn't match` with {len(names)} topologies")
    _positive(npus, bandwidths, latencies)
    if not names:
        raise Stopped(aborts("`Assertion dims_count > 0`: the network file has no list `topology`"))
    _countable(bandwidths, latencies)
    return tuple(Dim(*each) for each in zip(names, npus, bandwidths, latencies, strict=True))


def _column(root: Node, key: str, read: Callable[[Node], T | None]) -> list[T]:
    """The entries of a list; a word is one of no entries there, and so is what is missing."""
    column: list[T] = []
    entries = value_of(root, key)
    if isinstance(entries, tuple) and entries:
        raise Stopped(aborts(f"`{key}` of the network file is a mapping: `invalid node`"))
    for entry in entries if isinstance(entries, list) else ():
        value = read(entry)
        if value is None:
            raise _exits(f"`bad conversion`: {entry!r} in `{key}`")
        column.append(value)
    return column


def _text(node: Node) -> str | None:
    return "null" if node is None else node if isinstance(node, str) else None


def _topology(name: str) -> Topology:
    for known in _TOPOLOGIES:
        if name == known:
            return known
    if not name:
        raise Stopped(aborts("`Assertion !topology_name.empty()`"))
    raise _exits(f"`Topology name {name} not supported`")


def _positive(npus: Sequence[int], bandwidths: Sequence[float], latencies: Sequence[float]) -> None:
    for count in npus:
        if count <= 1:
            raise _exits(f"`npus_count ({count}) should be larger than 1`")
    for bandwidth in bandwidths:
        if bandwidth <= 0:
            raise _exits(f"`bandwidth ({bandwidth:g}) should be larger than 0`")
    for latency in latencies:
        if latency < 0:
            raise _exits(f"`latency ({latency:g}) should be non-negative`")


def _countable(bandwidths: Sequence[float], latencies: Sequence[float]) -> None:
    """The simulator takes a time of 2^64 ns and more for 0, and loses events from 2^53 ns on."""
    if any(isnan(number) for number in (*bandwidths, *latencies)):
        raise Stopped(aborts("`Assertion bandwidth > 0` or `latency >= 0`: the network file has `.nan`"))
    for bandwidth in bandwidths:
        if bandwidth < SLOWEST:
            raise OutOfScale(f"a bandwidth of {bandwidth:g} GB/s is too little to count")
    for latency in latencies:
        if latency > LONGEST_NS:
            raise OutOfScale(f"a latency of {latency:g} ns is more than the simulator's clock can tell from 0")


def _exits(reason: str) -> Stopped:
    return Stopped(Refusal("exits", EXIT_NETWORK, reason))
