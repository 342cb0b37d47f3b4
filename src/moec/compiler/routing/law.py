"""The routing law of an experiment: who is chosen, where they sit, and what a number of tokens does."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from moec.arrays import Array, Floats
from moec.compiler.placement.registry import place
from moec.compiler.placement.slots import Slots
from moec.compiler.routing.drawn import draw_layers
from moec.compiler.routing.expected import Curves, balanced, curves
from moec.compiler.routing.math.group_choice import group_inclusion
from moec.compiler.routing.math.group_limited import limited_inclusion
from moec.compiler.routing.math.inclusion import inclusion
from moec.compiler.routing.math.moments import SlotLaw, slot_law
from moec.compiler.routing.math.pool import Pool, chunk_means, draw_pool
from moec.compiler.routing.math.race import Gate, gate_of
from moec.compiler.routing.outcome import Drawn, Expected
from moec.compiler.routing.popularity import weights
from moec.compiler.sizes.layout import layout_of, relay_nodes
from moec.compiler.sizes.parameters import is_moe_layer
from moec.diagnostics import Diagnostic
from moec.dsl.schema import Experiment


@dataclass(frozen=True, slots=True, eq=False)
class RoutingLaw:
    """One law, two modes. L MoE layers, E experts, S ranks of a stage, C = ep cells.

    `moe_layers`: their numbers among all layers, from 0. `popularity` `[L, E]`: P(a token chooses the expert), rows
    sum to top_k. `placement`: the slots. `weights` `[L, E]`: of the experts in the race. `nodes`: that a two-phase
    exchange spans, each with `rails` sources and a cell of `by_node`; 0 when there is none.
    """

    gate: Gate
    moe_layers: tuple[int, ...]
    weights: Floats
    popularity: Floats
    placement: Slots
    sources: int
    seed: int
    curves: Curves
    nodes: int = 0
    rails: int = 1
    by_node: Curves | None = None

    def drawn(self, tokens_per_source: Array, iteration: int = 0) -> Drawn:
        """Sample every layer for whole `tokens_per_source` `[S]`; the same iteration gives the same draw."""
        tokens = np.asarray(tokens_per_source, dtype=np.int64)
        if tokens.shape != (self.sources,) or tokens.min(initial=0) < 0:
            raise ValueError(f"tokens of {self.sources} sources are needed, not {tokens_per_source!r}")
        return draw_layers(self.gate, self.weights, self.placement, tokens, (self.seed, iteration), self.nodes)

    def expected(self, tokens: Array) -> Expected:
        """Means and expected maxima for token totals of any shape."""
        ranks = self.curves.at(tokens)
        if self.by_node is None:
            return ranks
        rail = self.by_node.at(np.asarray(tokens, dtype=float) / self.rails)
        return replace(
            ranks,
            node_hits=rail.hits,
            node_hits_straggle=rail.hits_straggle,
            node_visits_straggle=rail.visits_straggle,
        )


def routing_law(experiment: Experiment) -> tuple[RoutingLaw | None, list[Diagnostic]]:
    """The law of `experiment`, whose plan has been checked; None without experts, or with at least one error."""
    model = experiment.model
    if model.moe is None:
        return None, []
    layers = tuple(layer for layer in range(model.layers) if is_moe_layer(model, layer))
    if not layers:
        return None, []
    gate = gate_of(model.moe)
    seed = experiment.seed if experiment.routing.seed is None else experiment.routing.seed
    table, found = weights(experiment, layers, gate)
    if table is None:
        return None, found
    # Layers that are all alike are one law; the pool's tokens then all belong to it.
    own = table[:1] if np.all(table == table[:1]) else table
    cells = layout_of(experiment).ep
    uniform = bool(np.all(table == table[:, :1]))
    pool = draw_pool(gate, own, seed) if cells > 1 or (gate.limited and not uniform) else None
    groups = group_inclusion(gate, own) if gate.limited and pool else None
    chance = _popularity(gate, own, groups, pool)
    popularity = np.broadcast_to(chance, table.shape)
    placement, more = place(experiment, popularity)
    if placement is None:
        return None, found + more
    law = slot_law(gate, own, groups, chance, placement)
    fast = _curves(law, placement, pool, seed)
    sources, nodes = layout_of(experiment).stage, relay_nodes(experiment)
    if nodes == 1:
        return RoutingLaw(gate, layers, table, popularity, placement, sources, seed, fast), found + more
    merged = Slots(placement.expert, placement.experts, nodes)
    by_node = _curves(slot_law(gate, own, groups, chance, merged), merged, pool, seed)
    found += more
    return RoutingLaw(
        gate, layers, table, popularity, placement, sources, seed, fast, nodes, sources // nodes, by_node
    ), found


def _popularity(gate: Gate, table: Floats, groups: Floats | None, pool: Pool | None) -> Floats:
    if not gate.limited:
        return inclusion(table, gate.top_k)
    if pool is None or groups is None:
        return np.full(table.shape, gate.top_k / gate.experts)
    return limited_inclusion(gate, table, groups, *pool.counts(*table.shape))


def _curves(law: SlotLaw, placement: Slots, pool: Pool | None, seed: int) -> Curves:
    if pool is None or placement.cells == 1:
        return balanced(law)
    return curves(law, chunk_means(pool, placement, len(law.chance), seed), seed)
