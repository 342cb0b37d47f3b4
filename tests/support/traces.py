"""Writing small trace sets node by node, with protobuf's own encoder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from moec.compiler.chakra.schema import message_class

METADATA, MEM_LOAD, MEM_STORE, COMP, SEND, RECV, COLL = 1, 2, 3, 4, 5, 6, 7
SYSTEM = {
    "scheduling-policy": "LIFO",
    "endpoint-delay": 10,
    "active-chunks-per-dimension": 1,
    "preferred-dataset-splits": 4,
    "all-reduce-implementation": ["ring"],
    "all-gather-implementation": ["ring"],
    "reduce-scatter-implementation": ["ring"],
    "all-to-all-implementation": ["direct"],
    "collective-optimization": "localBWAware",
    "local-mem-bw": 100000,
    "roofline-enabled": 1,
    "peak-perf": 0.001,
}
NETWORK = {"topology": ["Switch"], "npus_count": [4], "bandwidth": [50.0], "latency": [500.0]}
MEMORY = {"memory-type": "NO_MEMORY_EXPANSION"}


class As:
    """An attribute's value in a form of its own: `As("float_val", 1.5)`, `As("int64_list", [1, 2])`."""

    def __init__(self, form: str, value: Any) -> None:
        self.form, self.value = form, value


def node(
    id: int,
    kind: int,
    deps: Sequence[int] = (),
    *,
    ctrl: Sequence[int] = (),
    name: str = "",
    micros: int = 0,
    **attrs: Any,
) -> Any:
    """A protobuf node: integers as int64, flags as bool, text as string; an attribute of value None is left out."""
    made = message_class("Node")(
        id=id, name=name or f"n{id}", type=kind, data_deps=deps, ctrl_deps=ctrl, duration_micros=micros
    )
    for key, value in attrs.items():
        if value is None:
            continue
        attribute = made.attr.add(name=key)
        match value:
            case As():
                if value.form.endswith("_list"):
                    getattr(attribute, value.form).values.extend(value.value)
                else:
                    setattr(attribute, value.form, value.value)
            case bool():
                attribute.bool_val = value
            case int():
                attribute.int64_val = value
            case str():
                attribute.string_val = value
    return made


def comp(id: int, deps: Sequence[int] = (), ns: Any = 100, **more: Any) -> Any:
    return node(id, COMP, deps, **{"is_cpu_op": False, "num_ops": ns, "tensor_size": 1, **more})


def coll(id: int, deps: Sequence[int] = (), size: Any = 4096, kind: Any = 0, group: Any = None, **more: Any) -> Any:
    return node(id, COLL, deps, **{"is_cpu_op": False, "comm_type": kind, "comm_size": size, "pg_name": group, **more})


def send(id: int, to: Any, deps: Sequence[int] = (), size: Any = 4096, tag: Any = 1, **more: Any) -> Any:
    return node(id, SEND, deps, **{"is_cpu_op": False, "comm_dst": to, "comm_size": size, "comm_tag": tag, **more})


def recv(id: int, source: Any, deps: Sequence[int] = (), size: Any = 4096, tag: Any = 1, **more: Any) -> Any:
    return node(id, RECV, deps, **{"is_cpu_op": False, "comm_src": source, "comm_size": size, "comm_tag": tag, **more})


def memory(id: int, deps: Sequence[int] = (), size: Any = 4096) -> Any:
    return node(id, MEM_LOAD, deps, is_cpu_op=False, tensor_size=size)


def delimited(message: bytes) -> bytes:
    """A message with its length before it."""
    length, out = len(message), bytearray()
    while length > 0x7F:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*out, length]) + message


def encoded(nodes: Sequence[Any], *, metadata: bool = True) -> bytes:
    """A trace file."""
    head = [message_class("GlobalMetadata")(version="0.0.4")] if metadata else []
    return b"".join(delimited(m.SerializeToString()) for m in (*head, *nodes))


def write_set(
    folder: Path,
    ranks: Sequence[Sequence[Any] | bytes],
    *,
    system: Mapping[str, Any] | None = None,
    network: Mapping[str, Any] | None = None,
    groups: Mapping[str, Any] | None = None,
    memory: Mapping[str, Any] | None = None,
) -> str:
    """A trace set with its configuration files, which are sound but for what is given; the prefix.

    A system key of value None is left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for rank, nodes in enumerate(ranks):
        (folder / f"t.{rank}.et").write_bytes(nodes if isinstance(nodes, bytes) else encoded(nodes))
    keys = {**SYSTEM, **(system or {})}
    (folder / "system.json").write_text(json.dumps({k: v for k, v in keys.items() if v is not None}))
    shape = {**NETWORK, **(network or {})}
    (folder / "network.yml").write_text("".join(f"{key}: {_yaml(value)}\n" for key, value in shape.items()))
    (folder / "memory.json").write_text(json.dumps(memory or MEMORY))
    if groups is not None:
        (folder / "comm_groups.json").write_text(json.dumps(groups))
    return str(folder / "t")


def _yaml(value: Any) -> str:
    return f"[ {', '.join(str(v) for v in value)} ]" if isinstance(value, list) else str(value)
