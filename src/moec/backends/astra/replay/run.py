"""Replaying a trace set: from files to a `Timing`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from moec.backends.astra.files.system import KINDS
from moec.backends.astra.network.events.inbox import Overlap
from moec.backends.astra.network.refusal import Refusal, Stopped, hangs
from moec.backends.astra.network.topology import Congestion
from moec.backends.astra.replay.collective_plans import numbered_apart
from moec.backends.astra.replay.npu import LOST_STATISTICS, Npu
from moec.backends.astra.replay.occupancy import Unsure
from moec.backends.astra.replay.programs.actions import Gathers, Receives, Sends, Stores
from moec.backends.astra.replay.setup import Files, Options, Setup, setup_of
from moec.backends.astra.replay.solo import SoloMachine
from moec.backends.astra.replay.timing import NodeTimes, Refused, Timing
from moec.compiler.chakra.trace import Trace

WHOLE_NS = 2**53
"""Up to which a double holds every whole number."""
TOO_LARGE = "a size or a time of 2^63 or more"


def time_traces(
    prefix: str | Path,
    *,
    system: str | Path,
    network: str | Path,
    memory: str | Path | None = None,
    comm_groups: str | Path | None = None,
    congestion: Congestion = "aware",
    queues_per_dim: int = 1,
    injection_scale: float = 1.0,
    rendezvous: bool = False,
    nodes: bool = False,
) -> Timing:
    """When every rank of `PREFIX.0.et`, `PREFIX.1.et` … finishes under ASTRA-sim with these configuration files.

    `congestion`: its congestion-aware or -unaware binary; then its options of those names. `nodes`: times of every node,
    too. Raises Refused where ASTRA-sim hangs, aborts or crashes, and Unreadable for a configuration file that is none.
    """
    files = Files(str(prefix), Path(system), Path(network), _path(memory), _path(comm_groups))
    return replay_files(files, Options(congestion, queues_per_dim, injection_scale, rendezvous), nodes=nodes)


def replay_files(files: Files, options: Options, *, nodes: bool = False) -> Timing:
    """The same. Raises Refused and Unreadable."""
    try:
        return replay(setup_of(files, options), nodes=nodes)
    except Stopped as stopped:
        raise Refused(stopped.refusal) from None
    except OverflowError:
        raise Refused(Refusal("unsupported", None, TOO_LARGE)) from None


def replay(setup: Setup, *, nodes: bool = False) -> Timing:
    """The timing of what was read, as coarse as it may be. Raises Stopped where the simulator would end early."""
    if suits(setup):
        for quick in (_as_one, _as_wholes):
            try:
                npus = quick(setup, detail=nodes)
            except Unsure:
                continue  # only a finer one can tell
            if npus and all(npu.finish_ns >= 0 for npu in npus):
                return outcome(setup, npus, events=False)
    return outcome(setup, _by_messages(setup, detail=nodes), events=True)


def _as_one(setup: Setup, *, detail: bool) -> list[Npu]:
    """None where the ranks are not alike. Raises Unsure where they may part."""
    if not SoloMachine.suits(setup):
        return []
    solo = SoloMachine(setup, detail=detail)
    solo.run()
    return [solo.npu] * setup.world


def _as_wholes(setup: Setup, *, detail: bool) -> list[Npu]:
    from moec.backends.astra.replay.coarse import (
        CoarseMachine,  # half of all modules here; sets of like ranks need none
    )

    machine = CoarseMachine(setup, detail=detail)
    machine.run()
    return machine.npus


def _by_messages(setup: Setup, *, detail: bool) -> list[Npu]:
    """What exchanges bring is counted where numbers of streams tell them apart."""
    from moec.backends.astra.replay.machine import EventMachine  # few sets come to this

    machine = EventMachine(setup, detail=detail, counted=numbered_apart(setup.groups))
    try:
        machine.run()
    except Overlap:
        machine = EventMachine(setup, detail=detail, counted=False)
        machine.run()
    return machine.npus


def suits(setup: Setup) -> bool:
    """Whether the quick replay may be tried: nothing that it does not follow touches collectives."""
    kinds = set().union(*(program.kinds for program in set(setup.programs)))
    network = setup.network
    trees = any("doubleBinaryTree" in network.algorithms(kind) for kind in KINDS)
    plain = network.queues == 1 and network.bus is None and network.endpoint_ns >= 0
    if Gathers not in kinds or not plain or setup.rendezvous or trees:
        return False
    if Stores in kinds and setup.memory.kind != "PER_NPU_MEMORY_EXPANSION":
        return False
    if setup.per_node or setup.system.custom:
        return False
    return not kinds & {Sends, Receives} or network.congestion == "unaware"


def outcome(setup: Setup, npus: list[Npu], *, events: bool) -> Timing:
    """What the ranks came to. Raises Stopped if some never finish."""
    stuck = [npu for npu in npus if npu.finish_ns < 0]
    if stuck:
        raise Stopped(_stuck(setup, stuck))
    notes = list(setup.notes)
    lost = [npu for npu in npus if npu.lost]
    if lost:
        notes.append(f"ASTRA-sim prints the time of {len(lost)} rank(s) but not their statistics: {LOST_STATISTICS}")
    if max(npu.finish_ns for npu in npus) > WHOLE_NS:
        notes.append("beyond 2^53 ns (104 days) ASTRA-sim rounds times and may lose events; here they stay whole")
    return Timing(
        tuple(npu.finish_ns for npu in npus),
        tuple(npu.finish_ns - npu.kernels_ns for npu in npus),
        tuple(_nodes(sheet.trace, npu) for sheet, npu in zip(setup.sheets, npus, strict=True) if npu.start is not None),
        events,
        tuple(notes),
    )


def _stuck(setup: Setup, stuck: list[Npu]) -> Refusal:
    """Who waits for what."""
    npu = next((npu for npu in stuck if npu.stuck), stuck[0])
    told = f"{len(stuck)} of {setup.world} ranks never finish"
    if not npu.stuck:
        return hangs(f"{told}: rank {npu.rank} has nodes that nothing looks at again after a skipped one")
    trace = setup.sheets[npu.rank].trace
    row = int(trace.by_id[npu.stuck[0]])
    return hangs(f"{told}: rank {npu.rank} waits for ever in node {int(trace.id[row])} ({trace.name(row)})")


def _nodes(trace: Trace, npu: Npu) -> NodeTimes:
    row = trace.by_id
    names = tuple(trace.name(i) for i in row.tolist())
    start, end = np.array(npu.start, dtype=np.int64), np.array(npu.end, dtype=np.int64)
    return NodeTimes(trace.id[row], names, start, end)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
