"""Rules on the remote-memory file, and on nodes that need it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import prod

import numpy as np

from moec.backends.astra.lint.finding import Finding, Rule, marked
from moec.backends.astra.lint.subject import Subject
from moec.compiler.chakra.trace import MEM_LOAD, MEM_STORE

BAD_MEMORY = Rule(
    "bad-memory",
    "error",
    "leaves with exit code 1 (`Unsupported memory type`), aborts (`type must be number`), crashes without the size of nodes or with too few of them, or, with a bandwidth under 1 GB/s, moves the bytes in no time",
    "set `memory-type`, with memory also `remote-mem-latency` and `remote-mem-bw`, with PER_NODE also `num-nodes` and `num-npus-per-node`",
)
FRACTION = Rule(
    "memory-fraction",
    "warning",
    "reads whole numbers and cuts off the rest",
    "write `remote-mem-bw` in whole GB/s and `remote-mem-latency` in whole ns",
)
NO_MEMORY = Rule(
    "no-remote-memory",
    "error",
    "leaves with exit code 1: `Remote memory access is not supported in NO_MEMORY_EXPANSION`",
    "use PER_NPU_MEMORY_EXPANSION, or leave MEM_LOAD and MEM_STORE nodes out",
)
RULES = (BAD_MEMORY, NO_MEMORY, FRACTION)
_NONE, _BY_NODE = "NO_MEMORY_EXPANSION", "PER_NODE_MEMORY_EXPANSION"
_NO_RATE = "a memory node, with no `remote-mem-bw` of 1 GB/s or more"
_PER_NODE = ("num-nodes", "num-npus-per-node")
_TYPES = (_NONE, "PER_NPU_MEMORY_EXPANSION", _BY_NODE, "MEMORY_POOL")


def check(subject: Subject) -> Iterator[Finding]:
    """Findings on memory, where a memory file is given."""
    memory = subject.memory
    if memory is None:
        return
    kind = memory.get("memory-type")
    if kind not in _TYPES:
        yield Finding(BAD_MEMORY, f"`memory-type` is {'missing' if kind is None else repr(kind)}")
        return
    for key in ("remote-mem-bw", "remote-mem-latency"):
        value = memory.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield Finding(BAD_MEMORY, f"`{key}` is {json.dumps(value)}, not a number")
            return
        if kind != _NONE and isinstance(value, float) and value >= 1 and not value.is_integer():
            yield Finding(FRACTION, f"`{key}` is {value}")
    for trace, ranks in subject.each():
        nodes = np.isin(trace.kind, (MEM_LOAD, MEM_STORE))
        if kind == _NONE:
            yield from marked(NO_MEMORY, trace, ranks, nodes, "a memory node, with NO_MEMORY_EXPANSION")
        elif nodes.any():
            yield from marked(BAD_MEMORY, trace, ranks, nodes & (not _positive(memory.get("remote-mem-bw"))), _NO_RATE)
            lacks = [f"`{key}`" for key in _PER_NODE if kind == _BY_NODE and not _positive(memory.get(key))]
            if lacks:
                told = f"a memory node, with {kind} and no {' and no '.join(lacks)}"
                yield from marked(BAD_MEMORY, trace, ranks, nodes, told)
            elif kind == _BY_NODE and (room := prod(int(memory[key]) for key in _PER_NODE)) <= ranks[-1]:
                told = f"a memory node of rank {ranks[-1]}, with nodes for {room} ranks"
                yield from marked(BAD_MEMORY, trace, ranks, nodes, told)


def _positive(value: object) -> bool:
    return isinstance(value, (int, float)) and value >= 1
