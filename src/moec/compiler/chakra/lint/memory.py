"""Rules on the remote-memory file, and on nodes that need it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from moec.compiler.chakra.lint.finding import Finding, Rule, marked
from moec.compiler.chakra.lint.subject import Subject
from moec.compiler.chakra.trace import MEM_LOAD, MEM_STORE

BAD_MEMORY = Rule(
    "bad-memory",
    "error",
    "leaves with exit code 1 (`Unsupported memory type`); without a bandwidth it divides by zero and the node takes no time",
    "set `memory-type`, and with memory also `remote-mem-latency` and `remote-mem-bw`",
)
NO_MEMORY = Rule(
    "no-remote-memory",
    "error",
    "leaves with exit code 1: `Remote memory access is not supported in NO_MEMORY_EXPANSION`",
    "use PER_NPU_MEMORY_EXPANSION, or leave MEM_LOAD and MEM_STORE nodes out",
)
RULES = (BAD_MEMORY, NO_MEMORY)
_NONE = "NO_MEMORY_EXPANSION"
_TYPES = (_NONE, "PER_NPU_MEMORY_EXPANSION", "PER_NODE_MEMORY_EXPANSION", "MEMORY_POOL")


def check(subject: Subject) -> Iterator[Finding]:
    """Findings on memory, where a memory file is given."""
    memory = subject.memory
    if memory is None:
        return
    kind = memory.get("memory-type")
    if kind not in _TYPES:
        yield Finding(BAD_MEMORY, f"`memory-type` is {'missing' if kind is None else repr(kind)}")
        return
    for trace, ranks in subject.each():
        nodes = np.isin(trace.kind, (MEM_LOAD, MEM_STORE))
        if kind == _NONE:
            yield from marked(NO_MEMORY, trace, ranks, nodes, "a memory node, with NO_MEMORY_EXPANSION")
        elif nodes.any() and not _positive(memory.get("remote-mem-bw")):
            yield from marked(BAD_MEMORY, trace, ranks, nodes, "a memory node, with no `remote-mem-bw` over 0")


def _positive(value: object) -> bool:
    return isinstance(value, (int, float)) and value > 0
