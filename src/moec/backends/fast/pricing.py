"""Durations of a program's ops with the tensor-parallel ranks folded: from tables wherever one count decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from numpy.typing import NDArray

from moec.backends.fast.durations import alltoall_whole, whole
from moec.backends.fast.network import TwoTier, collective_ns, sendrecv_ns, transfer_ns
from moec.backends.fast.tables import Table
from moec.compiler.batch import Load
from moec.compiler.graph import AllToAll, Collective, Compute, SendRecv, Transfer
from moec.compiler.kernels import Array
from moec.compiler.lower.context import Context
from moec.compiler.lower.program import Situation, Template, TemplateBlock
from moec.compiler.routing.base import Expected

Price = Callable[[Situation], Array]
"""From a lane's situation to whole nanoseconds, `[…, dp]` or `[…, 1]`."""


@dataclass(frozen=True, slots=True, eq=False)
class Pricing:
    """Prices the templates of a folded program of `context` on `net`."""

    context: Context
    net: TwoTier
    groups: dict[str, NDArray[np.int64]]

    def of(self, block: TemplateBlock, templates: tuple[Template, ...]) -> Price:
        """The summed duration of `templates`, all of one lane and one block."""
        tables: list[tuple[str, Table]] = []
        for follows in ("tokens", "sequences", "total"):
            group = tuple(t for t in templates if t.follows == follows)
            if group:
                tables.append((follows, Table(partial(self._tabulate, block, group))))
        rest = tuple(t for t in templates if t.follows == "load")

        def price(s: Situation) -> Array:
            time: Array = np.zeros((1,), dtype=np.int64)
            for follows, table in tables:
                time = time + _look_up(follows, table, s)
            for t in rest:
                time = time + self.duration(block, t, s)
            return time

        return price

    def duration(self, block: TemplateBlock, t: Template, s: Situation) -> Array:
        """One op's duration, `[…, dp]` or `[…, 1]`; of an exchange, until the last of its subsets is done."""
        work, first = t.make(s), block.first_rank * self.context.layout.tp
        match work:
            case Compute():
                return work.cost.time_ns[..., 0, :]
            case Collective():
                spans = whole(collective_ns(work.kind, work.bytes, self.groups[work.group] + first, self.net), work.bytes)
                return spans[..., 0, :] if work.group == "tp" else spans[..., 0, :].max(axis=-1, keepdims=True)
            case AllToAll():
                return alltoall_whole(work, self.groups[work.group] + first, self.net)[..., 0, :]
            case SendRecv():
                senders = (block.first_rank + np.arange(block.ranks)) * self.context.layout.tp
                crosses = senders // self.net.per_node != (senders + self.context.layout.stage) // self.net.per_node
                return whole(sendrecv_ns(work.bytes, crosses, self.net), work.bytes)[..., 0, :]
            case Transfer():
                return whole(transfer_ns(work.bytes, self.context.device), work.bytes)[..., 0, :]

    def _tabulate(self, block: TemplateBlock, templates: tuple[Template, ...], counts: Array) -> Array:
        """`[counts, 1 or dp]`."""
        law = self.context.law
        zero = np.zeros((len(counts), 1))
        load = Load(zero, zero, zero, zero, counts[:, None].astype(float), zero, zero, zero, zero, zero)
        needs_law = law is not None and templates[0].follows == "total"
        s = Situation(load, counts.astype(float), expected=law.expected(counts) if needs_law and law else None)
        rows: Array = zero.astype(np.int64)
        for t in templates:
            rows = rows + self.duration(block, t, s)
        return rows


class ExpectedTable:
    """Expected routing by whole token totals, computed when first needed and doubled when outgrown."""

    def __init__(self, law: Callable[[Array], Expected]) -> None:
        self._law = law
        self._fields: tuple[Array, ...] = (np.zeros(0),)

    def at(self, totals: Array) -> Expected:
        """The expectation at `totals`, any shape."""
        index = np.asarray(totals).astype(np.int64)
        top = int(index.max())
        if top >= len(self._fields[0]):
            counts = np.arange(1 << max(12, (top + 1).bit_length()))
            made = self._law(counts)
            self._fields = tuple(np.broadcast_to(getattr(made, f.name), counts.shape) for f in fields(made))
        return Expected(*(f[index] for f in self._fields))


def _look_up(follows: str, table: Table, s: Situation) -> Array:
    if follows == "total":
        return table.at(s.totals)[..., None]
    return table.at(s.load.tokens if follows == "tokens" else s.load.sequences)
