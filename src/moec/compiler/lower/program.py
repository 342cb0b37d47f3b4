"""The program of an experiment: its graph with the batch left open, built once and instantiated per iteration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Array
from moec.compiler.ir.batch import Load
from moec.compiler.ir.graph import Engine, Work
from moec.compiler.lower.context import Context
from moec.compiler.routing.outcome import Drawn, Expected
from moec.diagnostics import Span

Follows = Literal["tokens", "sequences", "decodes", "total", "chunks", "swaps", "load"]
"""What an op's time is a function of: its rank's tokens, sequences or decode tokens, or the tokens of all ranks (counts,
which can be tabulated); its rank's prompt chunks or swapped KV blocks, with nothing to do when there are none; or anything
in the load.
"""


Routing = Callable[[Load, Array], Expected | Drawn]
"""From a lane's load and the tokens of all its ranks `[…]` to where they are routed."""

Layers = NDArray[np.int64]
"""Which MoE layers (counted from the first) an op stands for, one per repeat of its block."""


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """One lane's share of an iteration: its load, the tokens of all its ranks `[…]`, and where they are routed.

    `layers`: the MoE layers that are asked about, where every layer is drawn for itself.
    """

    load: Load
    totals: Array
    expected: Expected | None = None
    drawn: Drawn | None = None
    layers: Layers | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """An op with its work left open. `deps`, `enters` and `on` are as in `graph.Op`, `lane` is the micro-batch it serves.

    All that its work depends on besides the situation is captured by `make`: templates whose functions have equal code and
    captured equal values make equal work.
    """

    name: str
    stream: Engine
    follows: Follows
    make: Callable[[Situation], Work]
    lane: int
    deps: tuple[int, ...]
    enters: tuple[int, ...]
    span: Span | None
    couples: bool = False
    """True for an exchange that makes all ranks of the stage wait for each other."""
    layers: Layers | None = None
    """The MoE layers it stands for, where its work depends on how they are drawn."""
    on: tuple[int, int] | None = None

    def work(self, lane: Situation) -> Work:
        """What it does in the situation of its lane."""
        return self.make(lane if self.layers is None or lane.drawn is None else replace(lane, layers=self.layers))


@dataclass(frozen=True, slots=True, eq=False)
class TemplateBlock:
    """As `graph.Block`, of templates."""

    name: str
    repeat: int
    templates: tuple[Template, ...]
    exits: tuple[int, ...]
    first_rank: int
    ranks: int


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """All blocks of an iteration. `chained`: every op waits for the one before it, so times add up."""

    context: Context
    blocks: tuple[TemplateBlock, ...]
    groups: dict[str, NDArray[np.int64]]
    lanes: int

    @property
    def world(self) -> int:
        """Ranks of the graph."""
        return max(block.first_rank + block.ranks for block in self.blocks)

    @property
    def chained(self) -> bool:
        """True when nothing overlaps."""
        return self.lanes == 1 and self.context.experiment.parallelism.overlap == "none"


def situation(program: Program, load: Load, routing: Routing | None, *, totals: Array | None = None) -> Situation:
    """A lane's `load` with where its tokens go; without a `routing` (no mixture, or nobody asks) nobody says.

    `totals` `[…]`: the tokens of all ranks, where `load` is not that of the ranks themselves.
    """
    tokens = program.context.total(load.tokens) if totals is None else totals
    match None if routing is None else routing(load, tokens):
        case None:
            return Situation(load, tokens)
        case Expected() as expected:
            return Situation(load, tokens, expected=expected)
        case Drawn() as drawn:
            return Situation(load, tokens, drawn=drawn)
        case other:
            assert_never(other)
