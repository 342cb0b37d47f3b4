"""Ops in the order one micro-batch needs them, and how the micro-batches of a block are interleaved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import groupby

from moec.compiler.ir.graph import Engine, Work
from moec.compiler.lower.program import Follows, Layers, Situation, Template
from moec.diagnostics import Span


@dataclass(slots=True)
class Lane:
    """The ops of one micro-batch in one block, each waiting for the one before unless told otherwise."""

    lane: int
    ops: list[Template] = field(default_factory=list)

    def add(
        self,
        name: str,
        make: Callable[[Situation], Work],
        follows: Follows,
        *,
        stream: Engine = "compute",
        after: tuple[int, ...] | None = None,
        span: Span | None = None,
        couples: bool = False,
        layers: Layers | None = None,
    ) -> int:
        """Append an op; `after` names earlier ops of this lane (default: the last one). Returns its number."""
        deps = after if after is not None else ((len(self.ops) - 1,) if self.ops else ())
        enters = () if deps else (self.lane,)
        self.ops.append(Template(name, stream, follows, make, self.lane, deps, enters, span, couples, layers))
        return len(self.ops) - 1

    @property
    def last(self) -> int:
        """The number of the op added last."""
        return len(self.ops) - 1


def interleave(lanes: list[Lane]) -> tuple[tuple[Template, ...], tuple[int, ...]]:
    """One order for all lanes: stretch by stretch of equal stream, lane by lane, so that each hides behind the other.

    Returns the ops with their deps renumbered, and each lane's last op.
    """
    stretches = [_stretches(lane) for lane in lanes]
    order: list[tuple[int, int]] = []
    for i in range(max(len(s) for s in stretches)):
        for lane, parts in enumerate(stretches):
            order += [(lane, op) for op in (parts[i] if i < len(parts) else [])]
    place = {key: i for i, key in enumerate(order)}
    ops = tuple(
        replace(lanes[lane].ops[op], deps=tuple(place[lane, d] for d in lanes[lane].ops[op].deps)) for lane, op in order
    )
    return ops, tuple(place[i, lane.last] for i, lane in enumerate(lanes))


def _stretches(lane: Lane) -> list[list[int]]:
    numbered = enumerate(lane.ops)
    return [[i for i, _ in run] for _, run in groupby(numbered, key=lambda pair: pair[1].stream)]
