"""What routing tells the rest: rows and active experts per rank, and which ranks tokens travel to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from moec.arrays import Array


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """One draw. L MoE layers, S source ranks (those of a stage), C expert cells (the ep ranks).

    `counts` `[L, experts]`: token–expert pairs per logical expert. `rows` `[L, C]`: pairs per cell; `active` `[L, C]`:
    expert slots of the cell with at least one row. `hits` `[L, S, C]`: tokens of source s with at least one expert in
    cell c; `visits` `[L, S, C]`: token–expert pairs from s to c. `node_hits` `[L, S, N]`: tokens of s with at least one
    expert on node n, where a two-phase exchange spans N > 1 nodes (else N is 0). All int64.
    """

    counts: Array
    rows: Array
    active: Array
    hits: Array
    visits: Array
    node_hits: Array


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Means of the law for a number of tokens (any shape `[…]`, the shape of every field); averaged over MoE layers.

    Per cell: `rows` and `active` are means over cells, `rows_max` and `active_max` expected maxima over cells.
    `hits`: mean probability that a token visits a given cell; `hits_straggle`: expected maximum over cells of the
    tokens a cell receives, over the mean. `visits`, `visits_straggle`: the same for token–expert pairs. `node_hits`:
    mean probability that a token visits a given node; `node_hits_straggle`, `node_visits_straggle`: expected maxima over
    nodes of the tokens and the pairs that one rail brings, over their means; zeros where no exchange has two phases.
    """

    rows: Array
    rows_max: Array
    active: Array
    active_max: Array
    hits: Array
    hits_straggle: Array
    visits: Array
    visits_straggle: Array
    node_hits: Array
    node_hits_straggle: Array
    node_visits_straggle: Array


class Law(Protocol):
    """How tokens choose experts, in both modes."""

    def drawn(self, tokens_per_source: Array, iteration: int = 0) -> Drawn:
        """One draw for whole tokens per rank of the stage `[S]`; `iteration` numbers the draw."""
        ...

    def expected(self, tokens: Array) -> Expected:
        """Means and expected maxima for whole numbers of tokens, any shape."""
        ...
