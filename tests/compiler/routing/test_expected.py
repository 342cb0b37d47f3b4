"""`expected` mode is within 2 % of the Monte Carlo mean of `drawn` mode."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moec.compiler.routing.law import RoutingLaw, routing_law
from moec.dsl.schema import Dirichlet, Eplb, PowerLaw, RoutingTrace, Uniform, Zipf
from support.mixtures import mixture, write_trace
from support.monte_carlo import FIELDS, promised, sampled

pytestmark = pytest.mark.slow  # Monte Carlo

LIMIT = 0.02
SEED = int(os.environ.get("MOEC_ROUTING_SEED", "0"))
WHOLE = os.environ.get("MOEC_WHOLE_ROUTING_GRID") == "1"
"""The whole grid takes some ten minutes; see docs/routing.md for its result."""

PLANS: dict[str, dict[str, Any]] = {
    "mixtral": {"experts": 8, "top_k": 2, "ep": 8, "layers": 32},
    "qwen": {"experts": 128, "top_k": 8, "ep": 2, "layers": 48},
    "deepseek": {
        "experts": 256, "top_k": 8, "ep": 32, "layers": 61, "first_dense": 3, "groups": 8, "group_limit": 4,
        "redundant": 32, "placement": Eplb(),
    },
    "replicas": {"experts": 64, "top_k": 6, "ep": 16, "layers": 26, "redundant": 16, "placement": Eplb()},
    "one_expert": {"experts": 128, "top_k": 1, "ep": 8, "layers": 24},
}  # fmt: skip
POPULARITIES = {
    "uniform": Uniform(), "zipf_0.8": Zipf(0.8), "zipf_1.2": Zipf(1.2), "power_law": PowerLaw(1.2),
    "dirichlet": Dirichlet(0.3), "trace": RoutingTrace("trace.csv"),
}  # fmt: skip
TOKENS = (1, 2, 3, 5, 8, 16, 27, 64, 100, 128, 300, 1024, 4096, 16384) if WHOLE else (1, 3, 16, 128)

FAST = {
    ("mixtral", "trace", "same"), ("mixtral", "dirichlet", "shuffled"), ("mixtral", "power_law", "same"),
    ("qwen", "zipf_1.2", "same"), ("qwen", "uniform", "shuffled"), ("qwen", "zipf_0.8", "shuffled"),
    ("replicas", "power_law", "same"), ("replicas", "dirichlet", "same"), ("deepseek", "zipf_0.8", "same"),
}  # fmt: skip
GRID = [
    (plan, popularity, per_layer)
    for plan in PLANS for popularity in POPULARITIES for per_layer in ("same", "shuffled")
    if WHOLE or (plan, popularity, per_layer) in FAST
]  # fmt: skip


def law_of(plan: str, popularity: str, per_layer: str, folder: Path) -> RoutingLaw:
    shape = PLANS[plan] if WHOLE or plan == "deepseek" else PLANS[plan] | {"layers": 6}
    write_trace(folder / "trace.csv", range(shape.get("first_dense", 0), shape["layers"]), shape["experts"])
    law, found = routing_law(
        mixture(**shape, popularity=POPULARITIES[popularity], per_layer=per_layer, directory=str(folder), seed=SEED)
    )
    assert law is not None, found
    return law


@pytest.mark.parametrize(("plan", "popularity", "per_layer"), GRID)
def test_expected_is_the_mean_of_drawn(plan: str, popularity: str, per_layer: str, tmp_path: Path) -> None:
    law = law_of(plan, popularity, per_layer, tmp_path)
    for tokens in (*TOKENS, *(() if WHOLE or plan == "deepseek" else (16384,))):
        least = 160 if plan == "mixtral" else 40 if WHOLE else 16
        samples = max(least, min(40_000, (400_000 if WHOLE else 60_000) // tokens))
        mean, error = sampled(law, tokens, samples, seed=5)
        off = promised(law, tokens) / mean - 1
        if WHOLE:
            print(plan, popularity, per_layer, tokens, *(f"{x:+.4f}" for x in off), f"{(error / mean).max():.4f}")  # noqa: T201
        for name, difference, noise in zip(FIELDS, off, error / mean, strict=True):
            assert noise < LIMIT / 2, f"{name} of {tokens} tokens is not known well enough to judge: {noise:.2%}"
            assert abs(difference) < LIMIT, f"{name} of {tokens} tokens is off by {difference:.2%}"


def test_the_yardstick_is_drawn_mode(tmp_path: Path) -> None:
    law, _ = routing_law(
        mixture(32, 4, 4, layers=40, redundant=8, placement=Eplb(), popularity=Zipf(1.0), per_layer="shuffled")
    )
    assert law is not None
    tokens, iterations = 24, 50
    seen = []
    for iteration in range(iterations):
        d = law.drawn(np.full(law.sources, tokens // law.sources), iteration)
        hits = d.hits.sum(axis=1)
        seen.append([d.rows.max(axis=1), d.active.mean(axis=1), d.active.max(axis=1),
                     hits.mean(axis=1) / tokens, hits.max(axis=1) / tokens])  # fmt: skip
    per_layer = np.array(seen)
    noise = np.sqrt(per_layer.var(axis=0).mean(axis=1) / per_layer.shape[2] / iterations)
    mean, error = sampled(law, tokens, 2000, seed=9)
    assert np.all(np.abs(per_layer.mean(axis=(0, 2)) - mean) < 4.5 * np.hypot(noise, error))
