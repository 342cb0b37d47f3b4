"""What nodes other than kernels do, from what their attributes say: collectives, messages, accesses to memory (Workload.cc)."""

from __future__ import annotations

from collections.abc import Mapping

from moec.backends.astra.files.json_values import stoi
from moec.backends.astra.network.conversions import wrapped
from moec.backends.astra.network.events.post import TAGS
from moec.backends.astra.network.refusal import Refusal, aborts
from moec.backends.astra.network.topology import Kind
from moec.backends.astra.replay.programs.actions import (
    Action,
    Ends,
    Gathers,
    Lasts,
    Receives,
    Sends,
    Skips,
    Stores,
    Throws,
)
from moec.compiler.chakra.trace import BOOL_LIST, COLL, INVALID, MEM_LOAD, MEM_STORE, RECV, SEND, TEXTS, Trace

_KINDS: Mapping[int, Kind] = {0: "all_reduce", 2: "all_gather", 6: "all_to_all", 7: "reduce_scatter"}
_BROADCAST = 5


def spoken(trace: Trace, i: int, recorded: Action) -> Action:
    """The action of node i, which is no kernel. `recorded`: that of its duration."""
    kind = int(trace.kind[i])
    match kind:
        case _ if kind == INVALID:
            return Skips()
        case _ if kind in (MEM_LOAD, MEM_STORE):
            if not trace.attribute("tensor_size").integer[i]:
                return Throws("a memory node without `tensor_size`")
            return Stores(_unsigned(trace, "tensor_size", i))
        case _ if trace.on_cpu[i]:
            return Throws("`Comm node should not be on CPU`")
        case _ if kind == COLL:
            return _collective(trace, i, recorded)
        case _:
            return _message(trace, i, kind)


def _collective(trace: Trace, i: int, recorded: Action) -> Action:
    dims = trace.attribute("involved_dim")
    if dims.present[i] and dims.form[i] != BOOL_LIST:
        return Ends(Refusal("exits", 1, "`Expected bool_list in involved_dim but found another type.`"))
    group = trace.group[i]
    name = trace.attribute("pg_name")
    number = stoi(group or "0")
    if (name.present[i] and name.form[i] not in TEXTS) or number is None:
        return Throws(f"`pg_name` {group!r} begins with no number: `stoi`, or it is no text")
    if group and number <= 0:
        return Ends(Refusal("exits", 1, f"`communicator group {number} not found`"))
    for needed in ("comm_type", "comm_size"):
        if not trace.attribute(needed).integer[i]:
            return Throws(f"a collective without `{needed}`")
    priority = trace.attribute("comm_priority")
    if priority.present[i] and not priority.integer[i]:
        return Throws("a collective whose `comm_priority` is no number")
    kind = int(trace.integers("comm_type")[i])
    if kind == _BROADCAST:
        return recorded._replace(kernel=False) if isinstance(recorded, Lasts) else recorded
    if kind not in _KINDS:
        return Throws("`Unsupported collective comm type`")
    involved = tuple(flags(trace, i)) if dims.present[i] else None
    return Gathers(_KINDS[kind], _unsigned(trace, "comm_size", i), number, involved, int(trace.id[i]))


def _message(trace: Trace, i: int, kind: int) -> Action:
    peer, own = ("comm_dst", "comm_src") if kind == SEND else ("comm_src", "comm_dst")
    for needed in (peer, "comm_size", "comm_tag"):
        if not trace.attribute(needed).integer[i]:
            return Throws(f"a {'send' if kind == SEND else 'receive'} without `{needed}`")
    if trace.attribute(own).present[i] and not trace.attribute(own).integer[i]:
        return Throws(f"`{own}` is no number")
    said = int(trace.attribute(own).value[i]) % 2**32 if trace.attribute(own).present[i] else -1
    other = wrapped(int(trace.integers(peer)[i]))
    if kind == RECV and other < 0:
        return Ends(aborts(f"`Assertion src >= 0`: a receive from rank {other}"))
    tag = native_tag(int(trace.integers("comm_tag")[i]))
    if tag < 0:
        return Ends(aborts("`Assertion tag >= 0`"))
    make = Sends if kind == SEND else Receives
    return make(tag, other, _unsigned(trace, "comm_size", i), said)


def native_tag(written: int) -> int:
    """A tag as the simulator hands it on: 32 bits with a sign, modulo the range of sends; negative ones stay so."""
    tag = wrapped(written)
    return tag % TAGS if tag >= 0 else -(-tag % TAGS)


def flags(trace: Trace, i: int) -> list[bool]:
    """The entries of a node's `involved_dim`: packed in one field, or one by one."""
    found = trace.attribute("involved_dim")
    payload = trace.data[found.start[i] : found.end[i]].tolist()
    if payload and payload[0] == 0x0A:
        return [bool(byte) for byte in payload[2:]]
    return [bool(byte) for byte in payload[1::2]]


def _unsigned(trace: Trace, name: str, i: int) -> int:
    return int(trace.integers(name)[i]) % 2**64
