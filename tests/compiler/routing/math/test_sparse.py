"""Very many cells are counted another way, with the same result."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from moec.compiler.placement.registry import place
from moec.compiler.routing.math import pool
from moec.compiler.routing.math.race import gate_of
from moec.compiler.routing.popularity import weights
from moec.compiler.sizes.parameters import moe_layers
from moec.dsl.schema import Eplb, Zipf
from support.mixtures import mixture


@pytest.mark.parametrize("per_layer", ["same", "shuffled"])
@pytest.mark.parametrize(("experts", "top_k", "ep", "redundant"), [(64, 6, 16, 16), (32, 1, 32, 0)])
def test_both_ways_count_alike(experts, top_k, ep, redundant, per_layer, monkeypatch):
    placement = Eplb() if redundant else None
    e = mixture(
        experts,
        top_k,
        ep,
        layers=3,
        popularity=Zipf(0.8),
        per_layer=per_layer,
        placement=placement,
        redundant=redundant,
    )
    gate = gate_of(e.model.moe)
    table, _ = weights(e, tuple(range(moe_layers(e.model))), gate)
    slots, _ = place(e, np.full(table.shape, top_k / experts))
    drawn = pool.draw_pool(gate, table, 0)
    dense = pool.chunk_means(drawn, slots, 3, 0)
    monkeypatch.setattr(pool, "MANY_CELLS", 1)
    sparse = pool.chunk_means(drawn, slots, 3, 0)
    for field in fields(dense):
        assert np.allclose(getattr(dense, field.name), getattr(sparse, field.name), rtol=1e-12), field.name
