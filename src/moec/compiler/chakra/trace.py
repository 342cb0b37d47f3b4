"""The trace of one rank as columns: a row per node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from moec.compiler.chakra.fields import Octets, Places

INVALID, METADATA, MEM_LOAD, MEM_STORE, COMP, SEND, RECV, COLL = range(8)
KIND_NAMES = ("INVALID", "METADATA", "MEM_LOAD", "MEM_STORE", "COMP", "COMM_SEND", "COMM_RECV", "COMM_COLL")

COLLECTIVES = (
    "all_reduce",
    "reduce",
    "all_gather",
    "gather",
    "scatter",
    "broadcast",
    "all_to_all",
    "reduce_scatter",
    "reduce_scatter_block",
    "barrier",
)
"""Values of `comm_type` (CollectiveCommType upstream, schema 0.0.4)."""

_LEADING = re.compile(r"[ \t\n\v\f\r]*([-+]?[0-9]+)")
ABSENT, NO_VALUE = 0, 255
"""`Attribute.form` of a node that has no such attribute, and of one whose attribute has no value."""

FORMS = {
    3: "double",
    5: "float",
    7: "int32",
    9: "int64",
    11: "uint32",
    13: "uint64",
    15: "sint32",
    17: "sint64",
    19: "fixed32",
    21: "fixed64",
    23: "sfixed32",
    25: "sfixed64",
    27: "bool",
    29: "string",
    31: "bytes",
    NO_VALUE: "no value",
} | dict.fromkeys(range(4, 33, 2), "list")
"""What an attribute's value is, by its field number in `AttributeProto`."""

BOOL_LIST, STRING, BYTES = 28, 29, 31
TEXTS = frozenset({STRING, BYTES})
"""Forms that the feeder takes for text."""
INTEGERS = frozenset({7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27})
"""Forms that the simulator's feeder turns into any integer."""
_INTEGER: NDArray[np.bool_] = np.isin(np.arange(256), list(INTEGERS))


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """One attribute of all nodes. `form`: the field number of its value; `value`: integers; `start`, `end`: where text
    and lists stand.
    """

    form: NDArray[np.uint8]
    value: NDArray[np.int64]
    start: Places
    end: Places

    @property
    def present(self) -> NDArray[np.bool_]:
        mask: NDArray[np.bool_] = self.form != ABSENT
        return mask

    @property
    def integer(self) -> NDArray[np.bool_]:
        """Where it is there and the feeder reads it as an integer."""
        mask: NDArray[np.bool_] = _INTEGER[self.form]
        return mask


@dataclass(frozen=True, eq=False)
class Trace:
    """Nodes in the order of the file.

    `kind`: as numbered in schema 0.0.4. Node i depends on `deps[dep_start[i]:dep_start[i + 1]]`. `span`: where a node's
    message stands in `data`. `duration_ns`: the recorded running time.
    """

    schema: str
    data: Octets
    span: NDArray[np.int64]
    id: NDArray[np.uint64]
    kind: NDArray[np.int64]
    name_start: Places
    name_end: Places
    dep_start: Places
    deps: NDArray[np.uint64]
    duration_ns: NDArray[np.int64]
    attributes: Mapping[str, Attribute]

    def __len__(self) -> int:
        return len(self.id)

    def name(self, i: int) -> str:
        """The name of node i."""
        return self.text(int(self.name_start[i]), int(self.name_end[i]))

    def text(self, start: int, end: int) -> str:
        """Bytes of the file as text."""
        return self.data[start:end].tobytes().decode("utf-8", errors="replace")

    def attribute(self, name: str) -> Attribute:
        """An attribute of all nodes; all absent if none has it."""
        return self.attributes.get(name) or self._nothing

    @cached_property
    def _nothing(self) -> Attribute:
        zeros = np.zeros(len(self), dtype=np.int64)
        return Attribute(zeros.astype(np.uint8), zeros, zeros, zeros)

    def integers(self, name: str, default: int = 0) -> NDArray[np.int64]:
        """An attribute's integers, `default` where it is absent or something else."""
        found = self.attribute(name)
        return np.where(found.integer, found.value, default)

    @cached_property
    def on_cpu(self) -> NDArray[np.bool_]:
        """Nodes with `is_cpu_op`."""
        mask: NDArray[np.bool_] = self.integers("is_cpu_op") != 0
        return mask

    @cached_property
    def by_id(self) -> Places:
        """Node indices by ascending id; of nodes with one id, as the feeder has it, the last of the file alone."""
        order = np.argsort(self.id, kind="stable")
        ids = self.id[order]
        return order[np.append(ids[1:] != ids[:-1], True)] if len(order) else order

    @cached_property
    def parents(self) -> Places:
        """For every dependency the index of the node that it names, −1 if there is none."""
        if not len(self.id):
            return np.full(len(self.deps), -1)
        ids = self.id[self.by_id]
        at = np.minimum(np.searchsorted(ids, self.deps), len(ids) - 1)
        return np.where(ids[at] == self.deps, self.by_id[at], -1)

    @cached_property
    def owners(self) -> Places:
        """For every dependency the index of the node that has it."""
        return np.repeat(np.arange(len(self)), np.diff(self.dep_start))

    @cached_property
    def group(self) -> tuple[str, ...]:
        """The communicator group of every node as the simulator reads `pg_name`: empty for all ranks."""
        found = self.attribute("pg_name")
        texts = [""] * len(self)
        known: dict[bytes, str] = {}
        raw = self.data.tobytes()
        for i in np.flatnonzero(np.isin(found.form, list(TEXTS))).tolist():
            name = raw[found.start[i] : found.end[i]]
            if name not in known:
                known[name] = _group(name.decode("utf-8", errors="replace"))
            texts[i] = known[name]
        return tuple(texts)


def _group(name: str) -> str:
    """What `stoi` makes of a name, as a number; "0" alone means all ranks (Workload.cc upstream). Else the name itself."""
    if name == "0":
        return ""
    number = _LEADING.match(name)
    return str(int(number[1])) if number else name
