"""One file of a trace set, told apart from others without being taken out of what was read with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from moec.compiler.chakra.reading.decode import KNOWN
from moec.compiler.chakra.reading.many_files import Batch, cut
from moec.compiler.chakra.trace import BOOL_LIST, COMP, TEXTS, Trace

_OF_KERNELS = ("num_ops", "tensor_size")
_TEXTS = ("pg_name", "involved_dim")


@dataclass(frozen=True, eq=False)
class Sheet:
    """Nodes from number `first` on of a `table`, or all of a trace that was read alone.

    `frame` is equal for files that differ in nothing but names, what their numbers count from, and how long kernels take;
    `shape` for those whose kernels take as long, too.
    """

    table: Batch | Trace
    place: int
    first: int
    frame: bytes
    shape: bytes

    @cached_property
    def trace(self) -> Trace:
        """The file's nodes by themselves."""
        return self.table if isinstance(self.table, Trace) else cut(self.table, self.place)

    @property
    def nodes(self) -> Trace:
        """The table of nodes in which the file's stand from `first` on."""
        return self.table if isinstance(self.table, Trace) else self.table.trace


def sheets(table: Batch | Trace, texts: dict[bytes, int]) -> list[Sheet]:
    """The files of a table. `texts` numbers what nodes say in words, for all tables of a set."""
    if isinstance(table, Trace):
        nodes, first = table, np.array([0, len(table)])
    else:
        nodes, first = table.trace, np.searchsorted(table.file, np.arange(len(table.end) + 1))
    if not len(nodes):
        return [Sheet(table, 0, 0, b"", b"")]
    file = np.repeat(np.arange(len(first) - 1), np.diff(first))
    base = nodes.id[np.minimum(first[:-1], len(nodes) - 1)]
    owners = np.repeat(file, np.diff(nodes.dep_start))
    fixed, timed = _columns(nodes, nodes.id - base[file], texts)
    deps = nodes.deps - base[owners]
    kind = ",".join(_there(nodes)).encode()
    found = []
    for place, (a, b) in enumerate(zip(first[:-1].tolist(), first[1:].tolist(), strict=True)):
        frame = kind + fixed[a:b].tobytes() + deps[nodes.dep_start[a] : nodes.dep_start[b]].tobytes()
        found.append(Sheet(table, place, a, frame, frame + timed[a:b].tobytes()))
    return found


def _columns(
    nodes: Trace, number: NDArray[np.uint64], texts: dict[bytes, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What makes out a node but for how long it takes if it is a kernel, `[nodes, …]`; and that."""
    kernel = nodes.kind == COMP
    fixed = [number.view(np.int64), nodes.kind, np.diff(nodes.dep_start), np.where(kernel, 0, nodes.duration_ns)]
    timed = [np.where(kernel, nodes.duration_ns, 0)]
    for name in _there(nodes):
        column = nodes.attribute(name)
        of_kernels = kernel & (name in _OF_KERNELS)
        fixed += [column.form.astype(np.int64), np.where(of_kernels, 0, column.value)]
        if name in _OF_KERNELS:
            timed.append(np.where(kernel, column.value, 0))
        if name in _TEXTS:
            fixed.append(_numbered(nodes, name, texts))
    return np.stack(fixed, axis=1), np.stack(timed, axis=1)


def _there(nodes: Trace) -> list[str]:
    """The attributes that some node has."""
    return [name for name in KNOWN if name in nodes.attributes]


def _numbered(nodes: Trace, name: str, texts: dict[bytes, int]) -> NDArray[np.int64]:
    """A number for each text, the same for the same one; 0 without."""
    column, found = nodes.attribute(name), np.zeros(len(nodes), dtype=np.int64)
    rows = np.flatnonzero(np.isin(column.form, [*TEXTS, BOOL_LIST]))
    spans: Sequence[tuple[int, int]] = list(zip(column.start[rows].tolist(), column.end[rows].tolist(), strict=True))
    found[rows] = [texts.setdefault(nodes.data[a:b].tobytes(), len(texts) + 1) for a, b in spans]
    return found
