"""How popular each expert of each MoE layer is: the weights of the law."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import numpy as np

from moec.arrays import Floats
from moec.compiler.routing.expert_counts import read_counts
from moec.compiler.routing.math.race import Gate
from moec.compiler.routing.math.seeds import SHUFFLE, WEIGHTS, generator
from moec.diagnostics import Diagnostic
from moec.diagnostics.csv_records import Source, limited
from moec.dsl.schema import Dirichlet, Experiment, PowerLaw, RoutingTrace, Uniform, Zipf


def weights(experiment: Experiment, layers: Sequence[int], gate: Gate) -> tuple[Floats | None, list[Diagnostic]]:
    """Weights `[layers, experts]` of the experts of the MoE layers `layers`.

    `same`: expert r is the r-th most popular in every layer (a trace keeps the ids it recorded). `shuffled`: in each
    layer the ids are permuted, of a trace too.
    """
    routing = experiment.routing
    seed = experiment.seed if routing.seed is None else routing.seed
    match routing.popularity:
        case RoutingTrace(file=file):
            span = experiment.span("routing.popularity")
            source = Source(file, experiment.directory, "the routing trace", span, "M52")
            found, wrong = read_counts(source, layers, gate.experts)
            if found is None:
                return None, wrong
            wrong = _too_few(source, found, layers, gate)
            if wrong:
                return None, wrong
            table = found
        case Uniform() | Zipf() | PowerLaw() | Dirichlet() as law:
            table = np.broadcast_to(_by_rank(law, gate.experts, seed), (len(layers), gate.experts))
        case other:
            assert_never(other)
    if routing.per_layer == "shuffled":
        orders = [generator(seed, SHUFFLE, layer).permutation(gate.experts) for layer in layers]
        table = np.take_along_axis(table, np.array(orders), axis=1)
    return table, []


def _by_rank(law: Uniform | Zipf | PowerLaw | Dirichlet, experts: int, seed: int) -> Floats:
    """Weights `[experts]`, the largest first.

    Drawn ones are kept within a factor of 1e24, far below what any number of tokens can tell from 0.
    """
    rng = generator(seed, WEIGHTS)
    match law:
        case Uniform():
            return np.ones(experts)
        case Zipf(exponent=exponent):
            return np.arange(1, experts + 1, dtype=float) ** -exponent
        case PowerLaw(alpha=alpha):
            # The inverse of P(w > x) = x^-alpha.
            log = rng.standard_exponential(experts) / alpha
        case Dirichlet(alpha=alpha):
            # In proportion to Gamma(a) ~ Gamma(a + 1) · U^(1/a), by logarithms: those of a tiny a are not all 0.
            log = np.log(rng.standard_gamma(alpha + 1.0, experts)) - rng.standard_exponential(experts) / alpha
        case other:
            assert_never(other)
    ranked: Floats = np.maximum(np.exp(np.sort(log - log.max())[::-1]), 1e-24)
    return ranked


def _too_few(source: Source, counts: Floats, layers: Sequence[int], gate: Gate) -> list[Diagnostic]:
    """Layers in which a token may find fewer than `top_k` experts that were ever chosen."""
    inside = np.sort((counts > 0).reshape(len(counts), gate.groups, -1).sum(axis=2), axis=1)
    # With a limit, a group needs two recorded experts to be ranked; the worst case is that the poorest ranked ones win.
    ranked = np.sort(np.where(inside >= min(2, gate.experts // gate.groups), inside, gate.experts), axis=1)
    left = ranked[:, : gate.limit].sum(axis=1) if gate.limited else inside.sum(axis=1)
    short = (left < gate.top_k) | (inside.sum(axis=1) < gate.top_k)
    where = "" if not gate.limited else f" in the {gate.limit} groups that a token is limited to"
    return limited(
        [
            source.error(
                6,
                f"{source.what} `{source.name}`: layer {layer} has too few experts with a count above 0",
                label=f"a token chooses {gate.top_k}, and can find as few as {min(count, total)}{where}",
                fix="record more tokens, or give unseen experts a small count",
            )
            for layer, count, total, bad in zip(layers, left, inside.sum(axis=1), short, strict=True)
            if bad
        ]
    )
