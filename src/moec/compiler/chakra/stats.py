"""What a trace set amounts to: nodes by type, operations, bytes by collective and group, the longest chain of kernels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from moec.compiler.chakra.times import node_ns
from moec.compiler.chakra.trace import COLL, COLLECTIVES, COMP, MEM_LOAD, MEM_STORE, SEND, Trace
from moec.compiler.chakra.trace_set import TraceSet
from moec.compiler.chakra.view import kind_name


@dataclass(frozen=True, slots=True)
class Traffic:
    """Collectives of one kind in one group ("" for all ranks): how many, and their `comm_size`, over all ranks."""

    kind: str
    group: str
    count: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Stats:
    """Sums over all ranks, but for `path_ns`: the longest chain of dependencies of rank `path_rank`, communication taking
    no time. `busy_ns`: the most kernel time of any rank.
    """

    ranks: int
    distinct: int
    file_bytes: int
    nodes: Mapping[str, int]
    operations: int
    kernel_ns: int
    busy_ns: int
    traffic: tuple[Traffic, ...]
    sends: int
    send_bytes: int
    memory_bytes: int
    path_ns: int
    path_rank: int


def stats(traces: TraceSet, system: Mapping[str, Any] | None = None) -> Stats:
    """Statistics of a trace set. `system`: the system file's content, which decides how long kernels take."""
    nodes: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    traffic: Counter[tuple[str, str]] = Counter()
    amounts: Counter[tuple[str, str]] = Counter()
    busy, path = 0, (0, 0)
    for member in traces.members:
        trace, copies = member.content.trace, len(member.ranks)
        time = node_ns(trace, system)
        kinds, counts = np.unique(trace.kind, return_counts=True)
        nodes.update({kind_name(int(k)): int(n) * copies for k, n in zip(kinds, counts, strict=True)})
        for name, amount in _sums(trace).items():
            sums[name] += amount * copies
        kernel = int(time[trace.kind == COMP].sum())
        busy, sums["kernel_ns"] = max(busy, kernel), sums["kernel_ns"] + kernel * copies
        for key, size in _collectives(trace):
            traffic[key] += copies
            amounts[key] += size * copies
        path = max(path, (longest_path_ns(trace, np.where(trace.kind == COMP, time, 0)), -member.ranks[0]))
    return Stats(
        sum(len(m.ranks) for m in traces.members),
        len(traces.members),
        sum(m.size * len(m.ranks) for m in traces.members),
        dict(sorted(nodes.items())),
        sums["operations"],
        sums["kernel_ns"],
        busy,
        tuple(Traffic(*key, traffic[key], amounts[key]) for key in sorted(traffic)),
        sums["sends"],
        sums["send_bytes"],
        sums["memory_bytes"],
        path[0],
        -path[1],
    )


def _sums(trace: Trace) -> dict[str, int]:
    size = trace.integers("comm_size")
    memory = np.isin(trace.kind, (MEM_LOAD, MEM_STORE))
    return {
        "operations": int(trace.integers("num_ops")[trace.kind == COMP].sum()),
        "sends": int((trace.kind == SEND).sum()),
        "send_bytes": int(size[trace.kind == SEND].sum()),
        "memory_bytes": int(trace.integers("tensor_size")[memory].sum()),
    }


def _collectives(trace: Trace) -> list[tuple[tuple[str, str], int]]:
    kind, size = trace.integers("comm_type", -1), trace.integers("comm_size")
    found = []
    for i in np.flatnonzero(trace.kind == COLL).tolist():
        number, group = int(kind[i]), trace.group[i]
        name = COLLECTIVES[number] if 0 <= number < len(COLLECTIVES) else f"kind {number}"
        found.append(((name, group), int(size[i])))
    return found


def longest_path_ns(trace: Trace, time_ns: np.ndarray[Any, np.dtype[np.int64]]) -> int:
    """The longest chain of dependencies, in nanoseconds. Nodes in a cycle, and behind one, count for nothing."""
    known = trace.parents >= 0
    children: list[list[int]] = [[] for _ in range(len(trace))]
    waits, end = [0] * len(trace), [0] * len(trace)
    for parent, child in zip(trace.parents[known].tolist(), trace.owners[known].tolist(), strict=True):
        children[parent].append(child)
        waits[child] += 1
    free, time, longest = [i for i, count in enumerate(waits) if not count], time_ns.tolist(), 0
    while free:
        node = free.pop()
        done = end[node] + time[node]
        longest = max(longest, done)
        for child in children[node]:
            end[child] = max(end[child], done)
            waits[child] -= 1
            if not waits[child]:
                free.append(child)
    return longest
