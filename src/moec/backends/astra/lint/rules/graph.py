"""Rules on dependencies: that every node can run, and that not too many can at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from moec.backends.astra.lint.finding import Finding, Rule, marked
from moec.backends.astra.lint.subject import Subject
from moec.compiler.chakra.trace import Trace

NO_FREE_NODE = Rule(
    "no-free-node",
    "error",
    "aborts: `No dependancy free nodes found, there might be deadlocks`",
    "let at least one node of every rank depend on nothing",
)
DANGLING = Rule(
    "dangling-dependency",
    "error",
    "aborts: `Node … in data_dep graph, but not found in index, file might be corrupted`",
    "drop the dependency, or write the node that it names",
)
CYCLE = Rule(
    "cycle",
    "error",
    "never runs these nodes nor what waits for them; the rank still reports `finished`, with a time that is too short",
    "break the cycle",
)
DUPLICATE_ID = Rule(
    "duplicate-id",
    "error",
    "runs the last node of the file with the id, with the dependencies of all of them",
    "give every node an id of its own",
)
WIDE = Rule(
    "wide-ready-set",
    "warning",
    "scans all ready nodes after every event: 2000 independent kernels on 16 ranks took 38 s where a chain takes less than one",
    "chain nodes of one stream by control dependencies",
)
RULES = (NO_FREE_NODE, DANGLING, CYCLE, DUPLICATE_ID, WIDE)
_WIDE = 1000
"""Nodes free from the start on one rank; measured at 2000 and 8000."""


def check(subject: Subject) -> Iterator[Finding]:
    """Findings on every rank's graph."""
    for trace, ranks in subject.each():
        if not len(trace):
            yield Finding(NO_FREE_NODE, "the file has no nodes", ranks)
            continue
        missing = trace.parents < 0
        if missing.any():
            absent = int(trace.deps[missing][0])
            at = np.zeros(len(trace), dtype=bool)
            at[trace.owners[missing]] = True
            yield from marked(DANGLING, trace, ranks, at, f"depends on node {absent}, which does not exist")
        yield from marked(DUPLICATE_ID, trace, ranks, _shadowed(trace), "a later node has the same id")
        stuck = never_ready(trace)
        if stuck.all() and not missing.any():
            yield from marked(NO_FREE_NODE, trace, ranks, stuck, "every node waits for another one")
        elif stuck.any():
            yield from marked(CYCLE, trace, ranks, stuck, "waits for itself, directly or through other nodes")
        free = int((np.diff(trace.dep_start) == 0).sum())
        if free > _WIDE:
            yield from marked(WIDE, trace, ranks, np.diff(trace.dep_start) == 0, f"{free} nodes depend on nothing")


def _shadowed(trace: Trace) -> NDArray[np.bool_]:
    mask = np.ones(len(trace), dtype=bool)
    mask[trace.by_id] = False
    return mask


def never_ready(trace: Trace) -> NDArray[np.bool_]:
    """Nodes in a cycle or behind one; dependencies on nodes that do not exist are left out."""
    there = trace.parents >= 0
    parent, child = trace.parents[there], trace.owners[there]
    if (trace.id[parent] < trace.id[child]).all():
        return np.zeros(len(trace), dtype=bool)
    children: list[list[int]] = [[] for _ in range(len(trace))]
    waits = [0] * len(trace)
    for p, c in set(zip(parent.tolist(), child.tolist(), strict=True)):
        children[p].append(c)
        waits[c] += 1
    free = [i for i, count in enumerate(waits) if not count]
    while free:
        for c in children[free.pop()]:
            waits[c] -= 1
            if not waits[c]:
                free.append(c)
    return np.array(waits) > 0
