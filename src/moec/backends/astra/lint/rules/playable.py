"""A trace made ready for the replay: nodes by ascending id, what each occupies, whom it frees, what it says to others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from moec.backends.astra.lint.rules.collectives import SIMULATED
from moec.backends.astra.lint.rules.messages import ends
from moec.compiler.chakra.times import node_ns
from moec.compiler.chakra.trace import COLL, COMP, RECV, SEND, Trace

CPU, GPU, COMM, FREE = range(4)
"""What a node occupies while it runs: one CPU, one GPU, one communication slot, or (a receive) nothing."""


class Meeting(NamedTuple):
    """What all members of a group must agree on. `chunks`: into how many parts the simulator cuts it."""

    group: str
    kind: int
    size: int
    chunks: int


class Letter(NamedTuple):
    """A message of a send or a receive."""

    kind: int
    tag: int
    peer: int
    size: int


Call = Meeting | Letter | None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Nodes in order of id. `index`: where each stands in the trace."""

    trace: Trace
    index: list[int]
    slot: list[int]
    time_ns: list[int]
    waits: list[int]
    children: list[list[int]]
    call: list[Call]
    alone: bool
    """No message leaves or enters it by name, so that ranks with this trace behave alike."""


def plan(trace: Trace, system: Mapping[str, Any] | None, cut: Callable[[int, int, int], tuple[int, int]]) -> Plan:
    """The plan of a trace. `cut(id, kind, size)`: the size to agree on and the number of chunks of a collective."""
    order = trace.by_id
    place = np.full(len(trace), -1)
    place[order] = np.arange(len(order))
    known = (trace.parents >= 0) & (place[trace.owners] >= 0)
    count = max(len(order), 1)
    pairs = np.sort(place[trace.parents[known]] * count + place[trace.owners[known]])
    edges = np.divmod(pairs[np.diff(pairs, prepend=-1) > 0], count)  # parents and children, sorted, each pair once
    waits = np.bincount(edges[1], minlength=len(order))
    first = np.searchsorted(edges[0], np.arange(len(order) + 1)).tolist()
    child = edges[1].tolist()
    children = [child[first[i] : first[i + 1]] for i in range(len(order))]
    kind = trace.kind[order]
    slot = np.select([trace.on_cpu[order], kind == COMP, kind == RECV], [CPU, GPU, FREE], COMM)
    calls = _calls(trace, cut)
    return Plan(
        trace,
        order.tolist(),
        slot.tolist(),
        node_ns(trace, system)[order].tolist(),
        waits.tolist(),
        children,
        [calls.get(i) for i in order.tolist()],
        not np.isin(kind, (SEND, RECV)).any(),
    )


def _calls(trace: Trace, cut: Callable[[int, int, int], tuple[int, int]]) -> dict[int, Call]:
    calls: dict[int, Call] = {}
    kind, size = trace.integers("comm_type"), trace.integers("comm_size")
    for i in np.flatnonzero((trace.kind == COLL) & np.isin(kind, SIMULATED)).tolist():
        agreed, chunks = cut(int(trace.id[i]), int(kind[i]), int(size[i]))
        calls[i] = Meeting(trace.group[i], int(kind[i]), agreed, chunks)
    for side in (SEND, RECV):
        found = ends(trace, side)
        for i, tag, peer, amount in zip(
            *(x.tolist() for x in (found.nodes, found.tag, found.peer, found.size)), strict=True
        ):
            calls[i] = Letter(side, tag, peer, amount)
    return calls


def groups_of(plan: Plan) -> Counter[str]:
    """How many collectives a plan has in each group."""
    return Counter(call.group for call in plan.call if isinstance(call, Meeting))
