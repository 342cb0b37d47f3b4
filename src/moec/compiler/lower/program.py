"""The program of an experiment: its graph with the batch left open, built once and instantiated per iteration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Array
from moec.compiler.ir.batch import Load
from moec.compiler.ir.graph import Stream, Work
from moec.compiler.lower.context import Context
from moec.compiler.routing.outcome import Drawn, Expected
from moec.diagnostics import Span

Follows = Literal["tokens", "sequences", "decodes", "total", "chunks", "swaps", "load"]
"""What an op's time is a function of: its rank's tokens, sequences or decode tokens, or the tokens of all ranks (counts,
which can be tabulated); its rank's prompt chunks or swapped KV blocks, with nothing to do when there are none; or anything
in the load.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """One lane's share of an iteration: its load, the tokens of all its ranks `[…]`, and where they are routed."""

    load: Load
    totals: Array
    expected: Expected | None = None
    drawn: Drawn | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """An op with its work left open. `deps` and `enters` are as in `graph.Op`, `lane` is the micro-batch it serves."""

    name: str
    stream: Stream
    follows: Follows
    make: Callable[[Situation], Work]
    lane: int
    deps: tuple[int, ...]
    enters: tuple[int, ...]
    span: Span | None
    couples: bool = False
    """True for an exchange that makes all ranks of the stage wait for each other."""


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
        return self.context.layout.pp * self.context.layout.dp * self.context.copies

    @property
    def chained(self) -> bool:
        """True when nothing overlaps."""
        return self.lanes == 1 and self.context.experiment.parallelism.overlap == "none"
