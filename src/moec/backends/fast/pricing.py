"""Durations of a program's ops with the tensor-parallel ranks folded: from tables wherever one count decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import partial

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Array
from moec.backends.fast.durations import alltoall_whole, send_whole, whole
from moec.backends.fast.time_tables import DurationTable
from moec.backends.network.alpha_beta import Network, collective_ns, transfer_ns
from moec.compiler.ir.batch import Load
from moec.compiler.ir.graph import AllToAll, Collective, Compute, SendRecv, Transfer
from moec.compiler.lower.context import Context
from moec.compiler.lower.program import Situation, Template, TemplateBlock
from moec.compiler.routing.outcome import Expected

NOTHING: Array = np.zeros(1, dtype=np.int64)

COUNTS: dict[str, Callable[[Situation], Array]] = {
    "tokens": lambda s: s.load.tokens,
    "sequences": lambda s: s.load.sequences,
    "decodes": lambda s: s.load.decodes,
    "total": lambda s: s.totals[..., None],
}
"""The counts that times are tabulated over."""

Price = Callable[[Situation], Array]
"""From a lane's situation to whole nanoseconds, `[…, dp]` or `[…, 1]`."""

WorkKey = tuple[str, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class WeightedOp:
    """A template of a block, `weight` times."""

    block: TemplateBlock
    template: Template
    weight: int

    @property
    def key(self) -> WorkKey:
        """Equal for ops that take equally long: same name, lane and pipeline stage."""
        return (self.template.name, self.template.lane, self.block.first_rank)


@dataclass(frozen=True, slots=True, eq=False)
class Pricing:
    """Prices the templates of a folded program of `context` on `net`."""

    context: Context
    net: Network
    groups: dict[str, NDArray[np.int64]]
    memo: dict[WorkKey, tuple[Situation, Array]] = field(default_factory=dict)

    def of(self, items: Sequence[WeightedOp]) -> Price:
        """The weighted sum of the items' durations; all belong to one lane."""
        tables = [
            (count, DurationTable(partial(self._tabulate, group)))
            for follows, count in COUNTS.items()
            if (group := [i for i in items if self._count(i) == follows])
        ]
        rest = _grouped([i for i in items if i.template.follows not in COUNTS])

        def price(s: Situation) -> Array:
            time = NOTHING
            for count, table in tables:
                time = time + table.at(count(s))
            for item in rest:
                if _due(item.template, s.load):
                    time = time + item.weight * self._now(item, s)
            return time

        return price

    def _count(self, item: WeightedOp) -> str:
        """What the item's time follows; with one attention-DP rank its tokens are the tokens of all ranks."""
        follows = item.template.follows
        return "tokens" if follows == "total" and self.context.layout.dp == 1 else follows

    def duration(self, block: TemplateBlock, t: Template, s: Situation) -> Array:
        """One op's duration, `[…, dp]` or `[…, 1]`; of an exchange, until the last of its subsets is done."""
        work, first = t.make(s), block.first_rank * self.context.layout.tp
        match work:
            case Compute():
                return work.cost.time_ns[..., 0, :]
            case Collective():
                members = self.groups[work.group] + first
                spans = whole(collective_ns(work.kind, work.bytes, members, self.net), work.bytes)[..., 0, :]
                return spans if work.group == "tp" else spans.max(axis=-1, keepdims=True)
            case AllToAll():
                return alltoall_whole(work, self.groups[work.group] + first, self.net)[..., 0, :]
            case SendRecv():
                return send_whole(work, self.groups["tp"] + first, self.net, folded=True)[..., 0, :]
            case Transfer():
                return whole(transfer_ns(work.bytes, self.context.device), work.bytes)[..., 0, :]

    def _now(self, item: WeightedOp, s: Situation) -> Array:
        """The duration, remembered as long as the situation lasts: layers of several blocks share their attention."""
        known = self.memo.get(item.key)
        if known is None or known[0] is not s:
            known = self.memo[item.key] = (s, self.duration(item.block, item.template, s))
        return known[1]

    def _tabulate(self, items: Sequence[WeightedOp], counts: Array) -> Array:
        """`[counts, 1 or dp]`."""
        law = self.context.law
        zero = np.zeros((len(counts), 1))
        load = Load(zero, zero, zero, zero, counts[:, None].astype(float), zero, zero, zero, zero, zero)
        needs_law = law is not None and any(i.template.follows == "total" for i in items)
        s = Situation(load, counts.astype(float), expected=law.expected(counts) if needs_law and law else None)
        rows: Array = zero.astype(np.int64)
        for item in items:
            rows = rows + item.weight * self.duration(item.block, item.template, s)
        return rows


class ExpectedTable:
    """Expected routing by whole token totals, computed when first needed and doubled when outgrown."""

    def __init__(self, law: Callable[[Array], Expected]) -> None:
        self._law = law
        self._rows: Array = np.zeros((0, len(fields(Expected))))

    def at(self, totals: Array) -> Expected:
        """The expectation at `totals`, any shape."""
        index = np.asarray(totals).astype(np.int64)
        try:
            rows = self._rows[index]
        except IndexError:
            self._grow(int(index.max()))
            rows = self._rows[index]
        return Expected(*np.moveaxis(rows, -1, 0))

    def _grow(self, top: int) -> None:
        counts = np.arange(1 << max(12, (top + 1).bit_length()))
        made = self._law(counts)
        self._rows = np.stack([np.broadcast_to(getattr(made, f.name), counts.shape) for f in fields(made)], axis=-1)


def _due(template: Template, load: Load) -> bool:
    """Whether the op may have something to do."""
    match template.follows:
        case "chunks":
            return bool(load.chunk_tokens.any())
        case "swaps":
            return load.swaps
        case _:
            return True


def _grouped(items: Sequence[WeightedOp]) -> list[WeightedOp]:
    """Equal ops as one, their weights summed."""
    by_key: dict[WorkKey, WeightedOp] = {}
    for item in items:
        before = by_key.get(item.key)
        by_key[item.key] = WeightedOp(item.block, item.template, item.weight + (before.weight if before else 0))
    return list(by_key.values())
