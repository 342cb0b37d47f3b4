"""Where the experts of each layer sit: physical slots, equally many per cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Ints


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """`expert` `[layers, slots]`: the logical expert in each physical slot; slot s is in cell s // `per_cell`.

    A cell is one expert-parallel rank. `slots` = experts + redundant; an expert with several slots has replicas, over
    which its tokens are split evenly.
    """

    expert: Ints
    experts: int
    cells: int

    @property
    def per_cell(self) -> int:
        """Slots of one cell."""
        return int(self.expert.shape[1]) // self.cells

    @property
    def alike(self) -> bool:
        """True when every layer has the same placement."""
        return bool(np.all(self.expert == self.expert[:1]))

    @property
    def replicas(self) -> Ints:
        """Slots of each expert, `[layers, experts]`."""
        layers = len(self.expert)
        flat = self.expert + self.experts * np.arange(layers)[:, None]
        return np.bincount(flat.ravel(), minlength=layers * self.experts).reshape(layers, self.experts)

    def of_expert(self, layer: int) -> Ints:
        """The slots of each expert in one layer, `[experts, most replicas]`, ascending; missing ones are −1."""
        expert = self.expert[layer]
        order = np.argsort(expert, kind="stable")
        counts = np.bincount(expert, minlength=self.experts)
        first = np.cumsum(counts) - counts
        table = np.full((self.experts, int(counts.max())), -1, dtype=np.int64)
        table[expert[order], np.arange(len(expert)) - first[expert[order]]] = order
        return table

    def load(self, load: NDArray[np.float64]) -> NDArray[np.float64]:
        """Load of each cell, `[layers, cells]`, when experts carry `load` `[layers, experts]`."""
        each = np.take_along_axis(load / self.replicas, self.expert, axis=1)
        total: NDArray[np.float64] = each.reshape(len(each), self.cells, self.per_cell).sum(axis=2)
        return total
