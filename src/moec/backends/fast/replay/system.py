"""ASTRA-sim's system file as the simulator reads it: keys, defaults, and what a wrong value does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moec.backends.fast.astra.network import AstraNetwork, Congestion, Dim, Kind, Optimization
from moec.backends.fast.astra.refusal import Refusal, Stopped, aborts

KINDS: tuple[Kind, ...] = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all")
_PLAIN = ("ring", "oneRing", "doubleBinaryTree", "halvingDoubling", "oneHalvingDoubling")


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
    policy = raw.get("scheduling-policy")
    if policy is not None and policy not in ("LIFO", "FIFO", "EXPLICIT"):
        raise Stopped(Refusal("exits", 1, f"`scheduling-policy` is {policy!r}"))
    if raw.get("model-shared-bus", 0) == 1:
        raise Stopped(Refusal("unsupported", None, "`model-shared-bus` with its LogGP memory bus"))
    local = _number(raw, "local-mem-bw", 0.0) * 1e9
    return System(
        roofline=raw.get("roofline-enabled", 0) != 0,
        peak=_number(raw, "peak-perf", 0.0) * 1e12,
        local_rate=local,
        replay_only=raw.get("replay-only", 0) != 0,
        custom=_custom(raw),
        optimized="collective-optimization" in raw,
        scheduled=policy is not None,
        tracks_memory=raw.get("track-local-mem", 0) != 0,
    )


def network_of(
    raw: Mapping[str, Any], dims: tuple[Dim, ...], congestion: Congestion, queues: int, injection_scale: float
) -> AstraNetwork:
    """The network with the algorithms and pieces that the system file asks for. Raises Stopped as above."""
    optimization: Optimization = raw.get("collective-optimization", "localBWAware")
    if optimization not in ("localBWAware", "baseline"):
        raise Stopped(Refusal("exits", 1, f"`collective-optimization` is {optimization!r}"))
    names = {kind: _algorithms(raw, kind, len(dims)) for kind in KINDS}
    delay = int(_number(raw, "endpoint-delay", 10))
    scaled = int(delay * injection_scale) if "endpoint-delay" in raw else delay
    return AstraNetwork(
        congestion,
        dims,
        splits=int(_number(raw, "preferred-dataset-splits", 0)),
        active=int(_number(raw, "active-chunks-per-dimension", 1)),
        endpoint_ns=scaled,
        local_mem_bw=_number(raw, "local-mem-bw", 0.0),
        optimization=optimization,
        queues=queues,
        **names,
    )


def key_of(kind: Kind) -> str:
    """`all-reduce-implementation` …"""
    return f"{kind.replace('_', '-')}-implementation"


def _number(raw: Mapping[str, Any], key: str, default: float) -> float:
    value = raw.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Stopped(aborts(f"`{key}` is {value!r}, not a number"))
    return value


def _algorithms(raw: Mapping[str, Any], kind: Kind, dims: int) -> tuple[str, ...]:
    names = raw.get(key_of(kind), [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Stopped(aborts(f"`{key_of(kind)}` is no list of names"))
    for name in names:
        if name not in _PLAIN and not _windowed(name):
            raise Stopped(Refusal("exits", 1, f"`{key_of(kind)}` has the unknown algorithm {name!r}"))
    if len(names) > dims:
        raise Stopped(aborts(f"`{key_of(kind)}` has {len(names)} algorithms for {dims} dimension(s)"))
    return tuple(names)


def _windowed(name: str) -> bool:
    rest = name.removeprefix("direct") if name.startswith("direct") else name.removeprefix("oneDirect")
    return rest != name and (rest == "" or rest.isdigit())


def _custom(raw: Mapping[str, Any]) -> dict[Kind, str]:
    found: dict[Kind, str] = {}
    for kind in KINDS:
        value = raw.get(f"{key_of(kind)}-custom")
        if value is None:
            continue
        if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], str):
            raise Stopped(aborts(f"`{key_of(kind)}-custom` is {value!r}: there must be one prefix"))
        found[kind] = value[0]
    return found
