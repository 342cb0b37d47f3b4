"""The resolved, validated specification: everything that the rest of moec needs to know of a `.moe` file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from moec.diagnostics import Span
from moec.dsl.schema.astra_sim import AstraOptions, AstraSystem
from moec.dsl.schema.costs import Costs, RooflineCosts
from moec.dsl.schema.fields import MOST_SEED, spec
from moec.dsl.schema.hardware import Cluster
from moec.dsl.schema.model import Model
from moec.dsl.schema.parallelism import Parallelism
from moec.dsl.schema.routing import Routing
from moec.dsl.schema.serving import Serving
from moec.dsl.schema.workload import Workload
from moec.registry import BACKENDS, COST_MODELS


@dataclass(frozen=True, slots=True)
class Hierarchical:
    """Latency and bandwidth per tier, ports shared: the cluster as it is."""


@dataclass(frozen=True, slots=True)
class FastOptions:
    """The built-in estimator."""

    routing: Literal["expected", "drawn"] = spec(
        "means and expected maxima, or a fresh draw in every iteration", "expected"
    )
    network: Hierarchical | AstraSystem = spec(
        "the cluster's tiers, or what ASTRA-sim's analytical backends would make of them", factory=Hierarchical
    )


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment in SI units. `spans` maps a dotted path (`parallelism.experts.ep`) to the text it came from."""

    model: Model = spec("what is served")
    cluster: Cluster = spec("on what")
    parallelism: Parallelism = spec("split how", factory=Parallelism)
    routing: Routing = spec("expert choice", factory=Routing)
    serving: Serving = spec("by which engine", factory=Serving)
    workload: Workload | None = spec("for which requests; needed to simulate", None)
    costs: Costs = spec("compute times", factory=RooflineCosts, open_to=COST_MODELS)
    backend: FastOptions | AstraOptions = spec("who times the graph", factory=FastOptions, open_to=BACKENDS)
    seed: int = spec("seed of everything that draws", 0, at_least=0, at_most=MOST_SEED)
    name: str = field(default="experiment", metadata={"internal": True})
    names: Mapping[str, str] = field(default_factory=dict, metadata={"internal": True})
    spans: Mapping[str, Span] = field(default_factory=dict, metadata={"internal": True})
    directory: str = field(default=".", metadata={"internal": True})
    files: Mapping[str, str] = field(default_factory=dict, metadata={"internal": True})

    @property
    def drawn(self) -> bool:
        """Whether every iteration draws its routing anew; a backend of another package may not say, and does not."""
        return getattr(self.backend, "routing", "expected") == "drawn"

    def span(self, path: str) -> Span | None:
        """The span of `path`, or of its nearest enclosing field that the user wrote."""
        while path:
            if path in self.spans:
                return self.spans[path]
            path = path.rpartition(".")[0]
        return None
