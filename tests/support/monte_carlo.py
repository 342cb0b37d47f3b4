"""What `drawn` mode gives on average: the yardstick for `expected` mode."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moec.compiler.routing.law import RoutingLaw
from moec.compiler.routing.math.cells import expert_keys, slots_of
from moec.compiler.routing.math.race import draw

FIELDS = ("rows_max", "active", "active_max", "hits", "hits_max")


def sampled(law: RoutingLaw, tokens: int, samples: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means and standard errors of FIELDS over layers and at least `samples` batches of `tokens` tokens.

    The steps of `drawn` mode, with many batches side by side; a test holds their means to those of `drawn`.
    """
    alike = law.placement.alike and bool(np.all(law.weights == law.weights[:1]))
    layers = [0] if alike else list(range(len(law.weights)))
    batches = max(2, -(-samples // len(layers)))
    means, errors = [], []
    for layer in layers:
        rng = np.random.default_rng((seed, layer, tokens))
        seen = np.array([one for part in _parts(batches, tokens) for one in _batches(law, layer, tokens, part, rng)])
        means.append(seen.mean(axis=0))
        errors.append(seen.var(axis=0, ddof=1) / len(seen))
    return np.mean(means, axis=0), np.sqrt(np.mean(errors, axis=0) / len(layers))


def _parts(batches: int, tokens: int) -> list[int]:
    most = max(1, (1 << 18) // tokens)
    return [min(most, batches - start) for start in range(0, batches, most)]


def _batches(law: RoutingLaw, layer: int, tokens: int, batches: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """FIELDS of each of `batches` batches of one layer, `[batches, fields]`."""
    slots, gate = law.placement, law.gate
    chosen = draw(gate, law.weights[layer], tokens * batches, rng).reshape(batches, tokens, gate.top_k)
    key = expert_keys(rng, (batches, gate.experts))
    mine = key[np.arange(batches)[:, None, None], chosen]
    slot = slots_of(chosen, slots, layer, np.arange(tokens)[None, :, None], mine)
    batch, count = np.arange(batches)[:, None, None], slots.expert.shape[1]
    per_slot = np.bincount((batch * count + slot).ravel(), minlength=batches * count)
    per_slot = per_slot.reshape(batches, slots.cells, slots.per_cell)
    cell = np.sort(slot // slots.per_cell, axis=2)
    new = np.ones(cell.shape, dtype=bool)
    new[:, :, 1:] = cell[:, :, 1:] != cell[:, :, :-1]
    hits = np.bincount((batch * slots.cells + cell)[new], minlength=batches * slots.cells).reshape(batches, -1)
    active = (per_slot > 0).sum(axis=2)
    return np.stack(
        [
            per_slot.sum(axis=2).max(axis=1), active.mean(axis=1), active.max(axis=1),
            hits.mean(axis=1) / tokens, hits.max(axis=1) / tokens,
        ],
        axis=1,
    ).astype(float)  # fmt: skip


def promised(law: RoutingLaw, tokens: int) -> NDArray[np.float64]:
    """FIELDS as `expected` mode gives them."""
    e = law.expected(np.array(tokens))
    return np.array([float(x) for x in (e.rows_max, e.active, e.active_max, e.hits, e.hits * e.hits_straggle)])
