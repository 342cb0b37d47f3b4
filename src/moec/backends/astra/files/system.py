"""ASTRA-sim's system file as the simulator reads it: keys, defaults, and what a wrong value does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from moec.backends.astra.files.json_values import double, float32, int32, is_on, shown, stoi, text
from moec.backends.astra.network.conversions import cut, whole
from moec.backends.astra.network.refusal import Refusal, Stopped, aborts
from moec.backends.astra.network.topology import AstraNetwork, BusCosts, Congestion, Dim, Kind, Optimization

KINDS: tuple[Kind, ...] = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all")
_PLAIN = ("ring", "oneRing", "doubleBinaryTree", "halvingDoubling", "oneHalvingDoubling")
_WINDOWED = re.compile(r"(direct|oneDirect)(.*)", re.DOTALL)
_POLICIES = ("LIFO", "FIFO", "EXPLICIT")


@dataclass(frozen=True, slots=True)
class System:
    """`peak` in operations/s, `local_rate` in bytes/s; `custom`: trace sets that stand for all collectives of a kind.

    `optimized`: whether `collective-optimization` is there; without it the simulator reads memory that nobody set.
    """

    roofline: bool
    peak: float
    local_rate: float
    replay_only: bool
    custom: Mapping[Kind, str]
    optimized: bool
    scheduled: bool
    tracks_memory: bool


def system_of(raw: Mapping[str, Any]) -> System:
    """What the workload layer takes from the file. Raises Stopped where the simulator ends while it reads."""
    policy = text(raw, "scheduling-policy")
    if policy is not None and policy not in _POLICIES:
        raise Stopped(Refusal("exits", 1, f"`scheduling-policy` is {policy!r}"))
    text(raw, "local-mem-trace-filename")
    return System(
        roofline=is_on(raw, "roofline-enabled"),
        peak=double(raw, "peak-perf", 0.0) * 1e12,
        local_rate=double(raw, "local-mem-bw", 0.0) * 1e9,
        replay_only=is_on(raw, "replay-only"),
        custom=_custom(raw),
        optimized="collective-optimization" in raw,
        scheduled=policy is not None,
        tracks_memory=is_on(raw, "track-local-mem"),
    )


def network_of(
    raw: Mapping[str, Any], dims: tuple[Dim, ...], congestion: Congestion, queues: int, injection_scale: float
) -> AstraNetwork:
    """The network with the algorithms and pieces that the system file asks for. Raises Stopped as above."""
    optimization = text(raw, "collective-optimization")
    if optimization not in (None, *get_args(Optimization)):
        raise Stopped(Refusal("exits", 1, f"`collective-optimization` is {optimization!r}"))
    names = {kind: _algorithms(raw, kind, len(dims)) for kind in KINDS}
    delay = int32(raw, "endpoint-delay", 10)
    scaled = cut(delay * injection_scale) if "endpoint-delay" in raw else delay
    return AstraNetwork(
        congestion,
        dims,
        splits=int32(raw, "preferred-dataset-splits", 0),
        active=int32(raw, "active-chunks-per-dimension", 1),
        endpoint_ns=scaled,
        local_mem_bw=double(raw, "local-mem-bw", 0.0),
        optimization="baseline" if optimization == "baseline" else "localBWAware",
        queues=queues,
        bus=_bus(raw),
        **names,
    )


def _bus(raw: Mapping[str, Any]) -> BusCosts | None:
    """The shared bus; its costs are single-precision numbers there, times cut to whole nanoseconds."""
    latency, overhead, gap, per_byte = (float32(raw, key, 0.0) for key in ("L", "o", "g", "G"))
    reduction = int32(raw, "local-reduction-delay", 1)
    if int32(raw, "model-shared-bus", 0) != 1:
        return None
    return BusCosts(whole(latency), whole(overhead), whole(gap), per_byte, reduction)


def key_of(kind: Kind) -> str:
    """`all-reduce-implementation` …"""
    return f"{kind.replace('_', '-')}-implementation"


def _names(raw: Mapping[str, Any], key: str) -> list[str]:
    """A list of names, empty where the key is missing."""
    names = raw.get(key, [])
    if not isinstance(names, list):
        raise Stopped(aborts(f"`{key}` is {shown(names)}: `type must be array`"))
    for name in names:
        if not isinstance(name, str):
            raise Stopped(aborts(f"`{key}` has the entry {shown(name)}: `type must be string`"))
    return names


def _algorithms(raw: Mapping[str, Any], kind: Kind, dims: int) -> tuple[str, ...]:
    key = key_of(kind)
    names = tuple(_algorithm(key, name) for name in _names(raw, key))
    if len(names) > dims:
        raise Stopped(aborts(f"`{key}` has {len(names)} algorithms for {dims} dimension(s)"))
    return names


def _algorithm(key: str, name: str) -> str:
    """A known name; a window is what `stoi` makes of the five characters behind it."""
    if name in _PLAIN:
        return name
    windowed = _WINDOWED.fullmatch(name)
    if windowed is None:
        raise Stopped(Refusal("exits", 1, f"`{key}` has the unknown algorithm {name!r}"))
    plain, rest = windowed.groups()
    if not rest:
        return name
    window = stoi(rest[:5])
    if window is None:
        raise Stopped(aborts(f"`{key}` has the algorithm {name!r}: `stoi`"))
    return plain if window == -1 else f"{plain}{window}"


def _custom(raw: Mapping[str, Any]) -> dict[Kind, str]:
    found: dict[Kind, str] = {}
    for kind in KINDS:
        key = f"{key_of(kind)}-custom"
        if key in raw:
            names = _names(raw, key)
            if len(names) != 1:
                raise Stopped(aborts(f"`{key}` has {len(names)} entries: there must be one prefix"))
            found[kind] = names[0]
    return found
