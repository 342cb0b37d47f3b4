"""Which experts tokens choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from moec.dsl.schema.fields import MOST_SEED, spec


@dataclass(frozen=True, slots=True)
class Uniform:
    """Every expert is equally popular."""


@dataclass(frozen=True, slots=True)
class Zipf:
    """Weight of the r-th most popular expert ∝ r^-exponent."""

    exponent: float = spec("0 is uniform", at_least=0, at_most=8)


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """Weights drawn once from a Pareto law with density ∝ w^-(alpha+1), w ≥ 1: smaller alpha, heavier tail."""

    alpha: float = spec("tail index", above=0)


@dataclass(frozen=True, slots=True)
class Dirichlet:
    """Weights drawn once from a symmetric Dirichlet law: smaller alpha, more uneven."""

    alpha: float = spec("concentration", above=0)


@dataclass(frozen=True, slots=True)
class RoutingTrace:
    """Recorded popularity: a CSV of `layer_id,expert_id,count`."""

    file: str = spec("path, relative to the .moe file")


Popularity = Uniform | Zipf | PowerLaw | Dirichlet | RoutingTrace


@dataclass(frozen=True, slots=True)
class Routing:
    """The law by which tokens choose experts: top-k successive sampling without replacement, by popularity."""

    popularity: Popularity = spec("weights of the experts", factory=Uniform)
    per_layer: Literal["same", "shuffled"] = spec("the same experts are hot in every layer, or others in each", "same")
    seed: int | None = spec(
        "of the weights, shuffles and draws; the experiment's when absent", None, at_least=0, at_most=MOST_SEED
    )
