"""Durations of a program's ops with the tensor-parallel ranks folded: from tables wherever one count decides."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from types import FunctionType

import numpy as np

from moec.arrays import Array, Ints
from moec.backends.fast.durations import members_of, work_ns
from moec.backends.fast.time_tables import DurationTable
from moec.backends.network.alpha_beta import Network
from moec.compiler.ir.batch import Load
from moec.compiler.lower.context import Context
from moec.compiler.lower.program import Program, Routing, Situation, Template, TemplateBlock, situation
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
"""From a lane's situation to whole nanoseconds, `[…, ranks]` or `[…, 1]`: the attention-DP ranks, or those of `Template.on`."""


@dataclass(frozen=True, slots=True, eq=False)
class WeightedOp:
    """A template of a block, `weight` times."""

    block: TemplateBlock
    template: Template
    weight: int

    @property
    def key(self) -> WorkKey:
        """Equal for ops that take equally long: the same work, in the situation of the same lane, on the same ranks."""
        return (captured(self.template.make), self.template.lane, self.block.first_rank)


WorkKey = tuple[Hashable, int, int]


def captured(make: Callable[..., object]) -> Hashable:
    """Equal for functions of equal code that captured equal values, which return the same for the same arguments.

    Values that cannot be compared count as themselves alone.
    """
    if not isinstance(make, FunctionType):
        return make
    values = (*(cell.cell_contents for cell in make.__closure__ or ()), *(make.__defaults__ or ()))
    return (make.__code__, *(_comparable(value) for value in values))


def _comparable(value: object) -> Hashable:
    if isinstance(value, FunctionType):
        return captured(value)
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value


@dataclass(slots=True)
class LastDuration:
    """The duration of equal ops in the situation in which it was asked for last, `[…, dp]` or `[…, 1]`."""

    situation: Situation | None = None
    spans: Array = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True, eq=False)
class Pricing:
    """Prices the templates of a folded `program` on `net`; exchanges have all members of the `groups` of the plan."""

    program: Program
    net: Network
    groups: Mapping[str, Ints]
    known: dict[WorkKey, LastDuration] = field(default_factory=dict)

    @property
    def context(self) -> Context:
        """The program's."""
        return self.program.context

    def of(self, items: Sequence[WeightedOp]) -> Price:
        """A function from a lane's situation to the weighted sum of the items' durations; all belong to that lane.

        As wide as the ranks that run the items (or 1) if all run on the same ones; else as wide as their block.
        """
        by_ranks: dict[tuple[int, int] | None, list[WeightedOp]] = {}
        for item in items:
            by_ranks.setdefault(item.template.on, []).append(item)
        if len(by_ranks) < 2:
            return self._on_same_ranks(items)
        ranks = items[0].block.ranks
        parts = [(slice(*(on or (0, ranks))), self._on_same_ranks(part)) for on, part in by_ranks.items()]
        return lambda s: _side_by_side([(where, part(s)) for where, part in parts], ranks)

    def _on_same_ranks(self, items: Sequence[WeightedOp]) -> Price:
        tables = [
            (count, DurationTable(partial(self._tabulate, group)))
            for follows, count in COUNTS.items()
            if (group := [i for i in items if self._count(i) == follows])
        ]
        others = _grouped([i for i in items if i.template.follows not in COUNTS])
        rest = [(self.known.setdefault(key, LastDuration()), item) for key, item in others.items()]

        def price(s: Situation) -> Array:
            time = NOTHING
            for count, table in tables:
                time = time + table.at(count(s))
            for last, item in rest:
                if _due(item.template, s.load):
                    time = time + item.weight * self._now(last, item, s)
            return time

        return price

    def _count(self, item: WeightedOp) -> str:
        """What the item's time follows; with one attention-DP rank its tokens are the tokens of all ranks."""
        follows = item.template.follows
        return "tokens" if follows == "total" and self.context.layout.dp == 1 else follows

    def duration(self, block: TemplateBlock, t: Template, s: Situation) -> Array:
        """One op's duration, `[…, ranks that run it]` or `[…, 1]`; of an exchange, until the last of its subsets is done."""
        members = members_of(self.groups, block.first_rank * self.context.layout.tp)
        spans = work_ns(t.work(s), members, self.net, self.context.device, folded=True)[..., 0, :]
        return spans.max(axis=-1, keepdims=True) if t.couples and spans.shape[-1] > 1 else spans

    def _now(self, last: LastDuration, item: WeightedOp, s: Situation) -> Array:
        """The duration, remembered as long as the situation lasts: layers of several blocks share their attention."""
        if last.situation is not s:
            last.situation, last.spans = s, self.duration(item.block, item.template, s)
        return last.spans

    def _tabulate(self, items: Sequence[WeightedOp], counts: Array) -> Array:
        """Times at `counts` `[counts]`, be they of a rank or of all ranks, `[counts, 1 or dp]`."""
        law = self.context.law
        routed = law is not None and any(i.template.follows == "total" for i in items)
        routing: Routing | None = (lambda _load, _totals: law.expected(counts)) if routed and law else None
        s = situation(self.program, _decodes(counts), routing, totals=counts.astype(float))
        rows: Array = np.zeros((len(counts), 1), dtype=np.int64)
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

    def routing(self, _load: Load, totals: Array) -> Expected:
        """The expectation at `totals`, as a `program.Routing`."""
        return self.at(totals)

    def _grow(self, top: int) -> None:
        counts = np.arange(1 << max(12, (top + 1).bit_length()))
        made = self._law(counts)
        self._rows = np.stack([np.broadcast_to(getattr(made, f.name), counts.shape) for f in fields(made)], axis=-1)


def _side_by_side(parts: Sequence[tuple[slice, Array]], ranks: int) -> Array:
    """The sum on each of a block's `ranks` of times on some of them, `[…, ranks]`."""
    lead = np.broadcast_shapes(*(time.shape[:-1] for _, time in parts))
    total = np.zeros((*lead, ranks), dtype=np.int64)
    for where, time in parts:
        total[..., where] += time
    return total


def _decodes(counts: Array) -> Load:
    """`counts` `[counts]` decode tokens without a context on every rank, `[counts, 1]`."""
    zero = np.zeros((len(counts), 1))
    return Load(
        chunks=zero,
        chunk_tokens=zero,
        pairs=zero,
        chunk_kv=zero,
        decodes=counts[:, None].astype(float),
        decode_kv=zero,
        decode_max=zero,
        pairs_window=zero,
        chunk_kv_window=zero,
        decode_kv_window=zero,
    )


def _due(template: Template, load: Load) -> bool:
    """Whether the op may have something to do."""
    match template.follows:
        case "chunks":
            return bool(load.chunk_tokens.any())
        case "swaps":
            return load.swaps
        case _:
            return True


def _grouped(items: Sequence[WeightedOp]) -> dict[WorkKey, WeightedOp]:
    """Equal ops as one, their weights summed."""
    by_key: dict[WorkKey, WeightedOp] = {}
    for item in items:
        key = item.key
        before = by_key.get(key)
        by_key[key] = WeightedOp(item.block, item.template, item.weight + (before.weight if before else 0))
    return by_key
