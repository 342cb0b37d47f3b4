"""A rank's trace made ready for the replay: what each node needs, takes, says to others, and whom it frees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from moec.backends.astra.files.system import System
from moec.backends.astra.network.refusal import Stopped, aborts, hangs
from moec.backends.astra.replay.programs.actions import (
    COMM,
    CPU,
    FREE,
    GPU,
    Action,
    Ends,
    Lasts,
    Skips,
    Throws,
)
from moec.backends.astra.replay.programs.attributes import spoken
from moec.compiler.chakra.trace import (
    COLL,
    COMP,
    INVALID,
    METADATA,
    RECV,
    SEND,
    Trace,
)

_ENDLESS = 2**62
"""Nanoseconds that do not fit into 63 bits: longer than the simulator can count."""


@dataclass(frozen=True, eq=False)
class Program:
    """Nodes by ascending id. `odd`: nodes that spoil the rank's statistics; `untold`: nodes at whose end the simulator
    throws because they do not say what they read and write.
    """

    slot: list[int]
    action: list[Action]
    waits: list[int]
    children: list[list[int]]
    odd: list[bool]
    untold: frozenset[int]

    @cached_property
    def kinds(self) -> frozenset[type]:
        """What there is to do."""
        return frozenset(map(type, self.action))


def program_of(trace: Trace, system: System) -> Program:
    """The nodes of a trace. Raises Stopped where the simulator ends while it reads the file."""
    row = trace.by_id
    edges = _edges(trace, row)
    waits = np.bincount(edges[1], minlength=len(row))
    if not len(row) or waits.all():
        raise Stopped(aborts("`No dependancy free nodes found, there might be deadlocks`"))
    first = np.searchsorted(edges[0], np.arange(len(row) + 1)).tolist()
    child = edges[1].tolist()
    kind = trace.kind[row]
    unplaced = _unplaced(trace, row)
    slot = np.select([unplaced, trace.on_cpu[row], kind == COMP, kind == RECV], [FREE, CPU, GPU, FREE], COMM)
    odd = ~np.isin(kind, (COLL, SEND, RECV)) & ~((kind == COMP) & ~trace.on_cpu[row])
    told = trace.attribute("inputs").present[row] & trace.attribute("outputs").present[row]
    untold = np.flatnonzero(~told).tolist() if system.tracks_memory else []
    return Program(
        slot.tolist(),
        _actions(trace, row, system),
        waits.tolist(),
        [child[first[i] : first[i + 1]] for i in range(len(row))],
        odd.tolist(),
        frozenset(untold),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A program to be shared but for its kernels: node `at[i]` of the program is kernel `row[i]` of the file."""

    program: Program
    at: list[int]
    row: list[int]

    def with_kernels(self, actions: list[Action], first: int) -> Program:
        """The same program with the kernels of the file whose nodes stand from `first` on in `actions`."""
        own = self.program.action.copy()
        for at, row in zip(self.at, self.row, strict=True):
            own[at] = actions[first + row]
        return replace(self.program, action=own)


def frame_of(program: Program, trace: Trace) -> Frame:
    """What others share with the program of a trace."""
    at = np.flatnonzero(trace.kind[trace.by_id] == COMP)
    return Frame(program, at.tolist(), trace.by_id[at].tolist())


def _edges(trace: Trace, row: NDArray[np.int64]) -> NDArray[np.int64]:
    """Parent and child of every dependency, once each, sorted; the dependencies of nodes with one id are all its own."""
    ids = trace.id[row]
    place = np.searchsorted(ids, trace.id)
    if (trace.parents < 0).any():
        missing = int(trace.deps[np.flatnonzero(trace.parents < 0)[0]])
        raise Stopped(aborts(f"`Node {missing} in data_dep graph, but not found in index, file might be corrupted`"))
    pairs = place[trace.parents].astype(np.int64) * max(len(row), 1) + place[trace.owners]
    pairs.sort()
    first = np.ones(len(pairs), dtype=bool)
    first[1:] = pairs[1:] != pairs[:-1]
    return np.stack(np.divmod(pairs[first], max(len(row), 1)))


def _actions(trace: Trace, row: NDArray[np.int64], system: System) -> list[Action]:
    """Kernels and their times as columns, the rest one by one."""
    kind = trace.kind[row]
    actions = timed(trace, row, system)
    strange = (kind == METADATA) | (kind < INVALID) | (kind > COLL)
    for i in np.flatnonzero(strange).tolist():
        actions[i] = Ends(aborts(f"`Invalid node_type, node.id={int(trace.id[row[i]])}, node.type={int(kind[i])}`"))
    if not system.replay_only:
        for i in np.flatnonzero((kind != COMP) & ~strange & ~_unplaced(trace, row)).tolist():
            actions[i] = spoken(trace, int(row[i]), actions[i])
    return actions


def _unplaced(trace: Trace, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Nodes of which nobody can tell whether they run on the CPU, at which the simulator throws as it looks at them."""
    found = trace.attribute("is_cpu_op")
    mask: NDArray[np.bool_] = (found.present & ~found.integer)[rows]
    return mask


def timed(trace: Trace, rows: NDArray[np.int64], system: System) -> list[Action]:
    """Nodes as recorded; kernels under the roofline where that is on."""
    on_cpu = trace.on_cpu[rows]
    duration = trace.duration_ns[rows]
    recorded = np.where(duration < 0, _ENDLESS, np.maximum(duration, 1))
    actions: list[Action] = [
        Lasts(ns, kernel) for ns, kernel in zip(recorded.tolist(), (~on_cpu).tolist(), strict=True)
    ]
    if system.roofline and not system.replay_only:
        computed = np.flatnonzero((trace.kind[rows] == COMP) & ~on_cpu)
        for i, action in zip(computed.tolist(), _kernels(trace, rows[computed], system), strict=True):
            actions[i] = action
    for i in np.flatnonzero(_unplaced(trace, rows)).tolist():
        actions[i] = Throws("`is_cpu_op` is neither a flag nor a number")
    return actions


def _kernels(trace: Trace, rows: NDArray[np.int64], system: System) -> list[Action]:
    """Kernels under the roofline, in the simulator's arithmetic (Workload.cc, issue_comp)."""
    there = (trace.attribute("num_ops").integer & trace.attribute("tensor_size").integer)[rows]
    operations = trace.integers("num_ops")[rows].astype(np.uint64).astype(np.float64)
    size = trace.integers("tensor_size")[rows].astype(np.uint64).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rate = np.minimum(system.local_rate * (operations / size), system.peak)
        times = operations / rate * 1e9
    times[times >= 2**64] = 0  # what the simulator's conversion to a whole number makes of them
    sound = there & (size > 0) & (times > -1) & (times < 2**63)
    whole = np.where(sound, times, 0).astype(np.int64).tolist()
    actions: list[Action] = [Lasts(ns, True) for ns in whole]
    for i in np.flatnonzero(~sound).tolist():
        if not there[i]:
            actions[i] = Throws("a kernel without `num_ops` or `tensor_size`, with `roofline-enabled`")
        elif size[i] == 0:
            actions[i] = Skips()
        elif times[i] < 0:
            actions[i] = Ends(hangs("a kernel lasts less than nothing: `peak-perf` or `local-mem-bw` is below 0"))
        else:
            actions[i] = Ends(
                hangs("a kernel of no operations lasts 2^63 ns, after which times are rounded and events are lost")
            )
    return actions
