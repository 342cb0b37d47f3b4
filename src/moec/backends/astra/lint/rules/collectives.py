"""Rules on single collectives: kinds that are simulated, sizes that survive being cut into chunks, dimensions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from moec.backends.astra.lint.finding import Finding, Rule, marked
from moec.backends.astra.lint.subject import Subject
from moec.compiler.chakra.node import CollectiveType
from moec.compiler.chakra.trace import BOOL_LIST, COLL, COLLECTIVES, Trace
from moec.compiler.chakra.trace_set import Ranks

UNSUPPORTED = Rule(
    "unsupported-collective",
    "error",
    "throws `Unsupported collective comm type` inside its event loop, where it is swallowed: the rank never finishes, exit code 0",
    "use ALL_REDUCE (0), ALL_GATHER (2), ALL_TO_ALL (6) or REDUCE_SCATTER (7)",
)
BROADCAST = Rule(
    "broadcast-replayed",
    "warning",
    "does not simulate a BROADCAST: it takes `duration_micros`, or 1 ns without",
    "record a duration, or write it as sends",
)
ZERO_SIZE = Rule(
    "zero-collective",
    "error",
    "never ends an all-gather of no bytes, nor any collective of a negative size: exit code 0, no `finished` line",
    "leave collectives of no bytes out",
)
TINY_GATHER = Rule(
    "gather-below-splits",
    "error",
    "loops forever cutting the shard into chunks of zero bytes",
    "gather at least `preferred-dataset-splits` bytes per rank",
)
RAISED = Rule(
    "raised-size",
    "warning",
    "raises every chunk of an all-reduce, reduce-scatter or all-to-all to as many bytes as there are NPUs, even from none",
    "lower `preferred-dataset-splits`, or accept the larger collective",
)
INDIVISIBLE = Rule(
    "indivisible-size",
    "warning",
    "runs a whole extra chunk for the remainder: 1048577 bytes in 4 chunks took 25 % longer than 1048576",
    "round `comm_size` up to a multiple of `preferred-dataset-splits`",
)
DIMS_TYPE = Rule(
    "involved-dim-type",
    "error",
    "leaves with exit code 1: `Expected bool_list in involved_dim`",
    "write `involved_dim` as a bool_list with an entry per dimension",
)
DIMS_NONE = Rule(
    "involved-dim-none",
    "error",
    "has nothing to do for the collective and never ends it: exit code 0, no `finished` line",
    "leave `involved_dim` out, or set an entry",
)
DIMS_SHORT = Rule(
    "involved-dim-short",
    "error",
    "reads past the end of the list for the dimensions that it does not name: seen to hang",
    "give `involved_dim` an entry per dimension",
)
DIMS_IGNORED = Rule(
    "involved-dim-ignored",
    "warning",
    "ignores `involved_dim` in a communicator group",
    "leave `involved_dim` out",
)
FIVE_DIMS = Rule(
    "fifth-dimension",
    "error",
    "takes a collective without `involved_dim` to cover four dimensions: it reports the time of those alone, or hangs",
    "write `involved_dim` with an entry per dimension",
)
RULES = (
    UNSUPPORTED,
    BROADCAST,
    ZERO_SIZE,
    TINY_GATHER,
    RAISED,
    INDIVISIBLE,
    DIMS_TYPE,
    DIMS_NONE,
    DIMS_SHORT,
    DIMS_IGNORED,
    FIVE_DIMS,
)
SIMULATED = tuple(int(kind) for kind in CollectiveType)
_BROADCAST = COLLECTIVES.index("broadcast")
_DEFAULT_DIMS = 4


def check(subject: Subject) -> Iterator[Finding]:
    """Findings on every rank's collectives."""
    for trace, ranks in subject.each():
        nodes = (trace.kind == COLL) & trace.attribute("comm_type").integer
        if nodes.any():
            yield from _kinds(trace, ranks, nodes)
            yield from _sizes(trace, ranks, nodes, subject)
            yield from _dims(trace, ranks, nodes, len(subject.dims))


def collective_name(kind: int) -> str:
    """`all_reduce` …, or the number of a kind that is not known."""
    return COLLECTIVES[kind] if 0 <= kind < len(COLLECTIVES) else f"kind {kind}"


def chunk_count(kind: int, size: int, splits: int, world: int) -> int:
    """How many chunks a collective is cut into (`determine_chunk_size` in Sys.cc upstream); 1 if that is not known."""
    if splits <= 0 or size <= 0:
        return 1
    chunk = size // splits
    if kind != CollectiveType.ALL_GATHER and chunk < world:
        return splits
    return -(-size // chunk) if chunk else 1


def _kinds(trace: Trace, ranks: Ranks, nodes: NDArray[np.bool_]) -> Iterator[Finding]:
    kind = trace.integers("comm_type")
    for value in sorted(set(kind[nodes].tolist()) - {*SIMULATED, _BROADCAST}):
        yield from marked(
            UNSUPPORTED, trace, ranks, nodes & (kind == value), f"`comm_type` {value} ({collective_name(value)})"
        )
    yield from marked(BROADCAST, trace, ranks, nodes & (kind == _BROADCAST), "a broadcast")


def _sizes(trace: Trace, ranks: Ranks, nodes: NDArray[np.bool_], subject: Subject) -> Iterator[Finding]:
    kind, size, splits = trace.integers("comm_type"), trace.integers("comm_size", -1), subject.splits
    nodes = nodes & np.isin(kind, SIMULATED) & trace.attribute("comm_size").integer
    gather = nodes & (kind == CollectiveType.ALL_GATHER)
    nothing = (gather & (size == 0)) | (nodes & (size < 0))
    yield from marked(ZERO_SIZE, trace, ranks, nothing, "an all-gather of no bytes, or a negative size")
    if splits <= 0:
        return
    tiny = gather & (size > 0) & (size < splits)
    yield from marked(TINY_GATHER, trace, ranks, tiny, f"fewer bytes than the {splits} chunks")
    nodes = nodes & (size >= 0)
    low = nodes & ~gather & (size // splits < subject.world)
    yield from marked(RAISED, trace, ranks, low, f"chunks of fewer than {subject.world} bytes")
    odd = nodes & ~low & (size % splits != 0) & (size >= splits)
    if odd.any():
        first = int(size[odd][0])
        yield from marked(INDIVISIBLE, trace, ranks, odd, f"{first} bytes do not divide into {splits} chunks")


def _dims(trace: Trace, ranks: Ranks, nodes: NDArray[np.bool_], count: int) -> Iterator[Finding]:
    found = trace.attribute("involved_dim")
    grouped = np.array([g != "" for g in trace.group])
    yield from marked(
        DIMS_TYPE, trace, ranks, nodes & found.present & (found.form != BOOL_LIST), "`involved_dim` is no bool_list"
    )
    listed = nodes & (found.form == BOOL_LIST)
    yield from marked(DIMS_IGNORED, trace, ranks, listed & grouped, "`involved_dim` in a communicator group")
    free = listed & ~grouped
    flags = {int(i): _flags(trace, int(i)) for i in np.flatnonzero(free)}
    none, short = np.zeros(len(trace), dtype=bool), np.zeros(len(trace), dtype=bool)
    for i, values in flags.items():
        none[i] = not any(values[: count or None])
        short[i] = len(values) < count
    yield from marked(DIMS_NONE, trace, ranks, none & ~short, "no dimension takes part")
    yield from marked(DIMS_SHORT, trace, ranks, short, f"`involved_dim` has fewer entries than the {count} dimensions")
    if count > _DEFAULT_DIMS:
        yield from marked(
            FIVE_DIMS, trace, ranks, nodes & ~found.present & ~grouped, f"a network of {count} dimensions"
        )


def _flags(trace: Trace, i: int) -> list[bool]:
    """The entries of a BoolList: packed in field 1, or one by one."""
    found = trace.attribute("involved_dim")
    payload = trace.data[found.start[i] : found.end[i]].tolist()
    if payload and payload[0] == 0x0A:
        return [bool(byte) for byte in payload[2:]]
    return [bool(byte) for byte in payload[1::2]]
