"""Rules on single nodes: types that run, and attributes that are there and of a kind that the simulator reads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from moec.backends.astra.lint.finding import Finding, Rule, marked
from moec.backends.astra.lint.subject import Subject
from moec.compiler.chakra.trace import (
    COLL,
    COMP,
    FORMS,
    INTEGERS,
    INVALID,
    KIND_NAMES,
    MEM_LOAD,
    MEM_STORE,
    METADATA,
    RECV,
    SEND,
    TEXTS,
    Trace,
)
from moec.compiler.chakra.trace_set import Ranks

METADATA_NODE = Rule("metadata-node", "error", "aborts: `Invalid node_type … type=1`", "leave METADATA nodes out")
INVALID_NODE = Rule(
    "invalid-node",
    "error",
    "skips the node without asking what it frees: unless something else ends later on the rank, what waits for it never runs; statistics are lost",
    "leave INVALID nodes out; let their children depend on their parents",
)
UNKNOWN_TYPE = Rule(
    "unknown-type", "error", "aborts: `Invalid node_type … type=9`", "use the types 2 to 7 of schema 0.0.4"
)
MISSING_ATTRIBUTE = Rule(
    "missing-attribute",
    "error",
    "throws inside its event loop, where it is swallowed: the node is lost, the rank never finishes, exit code 0",
    "write the attribute",
)
WRONG_TYPE = Rule(
    "wrong-attribute-type",
    "error",
    "throws `std::bad_cast` inside its event loop, where it is swallowed: the node is lost, the rank never finishes, exit code 0",
    "write integers as one of the integer types, flags as bool, `pg_name` as a string",
)
ZERO_TIME = Rule(
    "zero-time",
    "error",
    "loses a kernel of no operations, or says that the rank finished after 2^63 ns; skips one of no bytes without asking what it frees, so that what waits for it runs only if something else ends later on the rank",
    "leave the kernel out, or let it take 1 ns: num_ops 1, tensor_size 1",
)
CPU_COMM = Rule(
    "cpu-communication",
    "error",
    "throws `Comm node should not be on CPU` inside its event loop, where it is swallowed: the rank never finishes",
    "write `is_cpu_op` false on communication nodes",
)
STATISTICS_LOST = Rule(
    "statistics-lost",
    "warning",
    "runs, but cannot work out statistics for a rank with CPU or memory operations: no `Wall time` lines and a `critical` line",
    "take the time from the `finished` line",
)
UNTIMED = Rule(
    "untimed-kernel",
    "warning",
    "takes kernels without `duration_micros` to last 1 ns unless `roofline-enabled` is 1",
    "set `roofline-enabled` and `peak-perf` in the system file, or record durations",
)
RULES = (
    METADATA_NODE,
    INVALID_NODE,
    UNKNOWN_TYPE,
    MISSING_ATTRIBUTE,
    WRONG_TYPE,
    ZERO_TIME,
    CPU_COMM,
    STATISTICS_LOST,
    UNTIMED,
)
_NEEDS = {
    SEND: ("comm_dst", "comm_size", "comm_tag"),
    RECV: ("comm_src", "comm_size", "comm_tag"),
    COLL: ("comm_type", "comm_size"),
    MEM_LOAD: ("tensor_size",),
    MEM_STORE: ("tensor_size",),
}
_MAY_HAVE = {
    SEND: ("comm_src",),
    RECV: ("comm_dst",),
    COLL: ("comm_priority",),
}


def check(subject: Subject) -> Iterator[Finding]:
    """Findings on every rank's nodes."""
    for trace, ranks in subject.each():
        if len(trace):
            yield from _types(trace, ranks)
            yield from _attributes(trace, ranks, subject.roofline)
            yield from _kernels(trace, ranks, subject.roofline)


def _types(trace: Trace, ranks: Ranks) -> Iterator[Finding]:
    kind = trace.kind
    yield from marked(METADATA_NODE, trace, ranks, kind == METADATA, "a METADATA node")
    yield from marked(INVALID_NODE, trace, ranks, kind == INVALID, "an INVALID node")
    beyond = (kind > COLL) | (kind < 0)
    if beyond.any():
        yield from marked(UNKNOWN_TYPE, trace, ranks, beyond, f"node type {int(kind[beyond][0])} does not exist")
    communicates = np.isin(kind, (SEND, RECV, COLL))
    yield from marked(CPU_COMM, trace, ranks, communicates & trace.on_cpu, "a communication node with `is_cpu_op` true")
    yield from marked(STATISTICS_LOST, trace, ranks, without_statistics(trace), "a CPU or memory operation")


def without_statistics(trace: Trace) -> NDArray[np.bool_]:
    """CPU and memory operations, with which the simulator cannot work out a rank's statistics."""
    on_cpu = trace.on_cpu & ~np.isin(trace.kind, (SEND, RECV, COLL))
    return np.isin(trace.kind, (MEM_LOAD, MEM_STORE)) | on_cpu


def _attributes(trace: Trace, ranks: Ranks, roofline: bool | None) -> Iterator[Finding]:
    yield from _flag(trace, ranks)
    for kind, needed in _NEEDS.items():
        nodes = trace.kind == kind
        if not nodes.any():
            continue
        for name in needed:
            absent = nodes & ~trace.attribute(name).present
            yield from marked(MISSING_ATTRIBUTE, trace, ranks, absent, f"{KIND_NAMES[kind]} without `{name}`")
        for name in needed + _MAY_HAVE.get(kind, ()):
            yield from _form(trace, ranks, nodes, name, INTEGERS, "an integer")
        if kind == COLL:
            yield from _form(trace, ranks, nodes, "pg_name", TEXTS, "a string")
    if roofline:
        kernels = (trace.kind == COMP) & ~trace.on_cpu
        for name in ("num_ops", "tensor_size"):
            absent = kernels & ~trace.attribute(name).present
            yield from marked(
                MISSING_ATTRIBUTE, trace, ranks, absent, f"COMP without `{name}`, with `roofline-enabled` 1"
            )
            yield from _form(trace, ranks, kernels, name, INTEGERS, "an integer")


def _flag(trace: Trace, ranks: Ranks) -> Iterator[Finding]:
    yield from _form(trace, ranks, np.ones(len(trace), dtype=bool), "is_cpu_op", INTEGERS, "a bool")


def _form(
    trace: Trace, ranks: Ranks, nodes: NDArray[np.bool_], name: str, allowed: frozenset[int], wanted: str
) -> Iterator[Finding]:
    """Nodes whose attribute is there in another form than the simulator reads."""
    found = trace.attribute(name)
    wrong = nodes & found.present & ~np.isin(found.form, list(allowed))
    if wrong.any():
        form = FORMS.get(int(found.form[wrong][0]), "unknown")
        yield from marked(WRONG_TYPE, trace, ranks, wrong, f"`{name}` is a {form}, not {wanted}")


def _kernels(trace: Trace, ranks: Ranks, roofline: bool | None) -> Iterator[Finding]:
    kernels = (trace.kind == COMP) & ~trace.on_cpu
    operations, size = trace.attribute("num_ops"), trace.attribute("tensor_size")
    if roofline:
        nothing = size.integer & (size.value == 0) & _awaited(trace)
        yield from marked(ZERO_TIME, trace, ranks, kernels & nothing, "a kernel of no bytes that other nodes wait for")
        idle = operations.integer & (operations.value == 0) & ~nothing
        yield from marked(ZERO_TIME, trace, ranks, kernels & idle & (size.value != 0), "a kernel of no operations")
    elif roofline is False:
        untimed = kernels & (trace.duration_ns == 0) & operations.present
        yield from marked(
            UNTIMED, trace, ranks, untimed, "a kernel with `num_ops` and without a duration, and no roofline"
        )


def _awaited(trace: Trace) -> NDArray[np.bool_]:
    """Nodes that others depend on."""
    mask = np.zeros(len(trace), dtype=bool)
    mask[trace.parents[trace.parents >= 0]] = True
    return mask
