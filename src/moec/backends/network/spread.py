"""How the members of groups lie on nodes, and quantities of members seen node by node."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from moec.arrays import Array, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """How the subsets of a group lie on nodes.

    `nodes`: how many a subset touches, `width`: the fewest members on one of them, both `[subsets]`; `ids` `[subsets, max
    nodes]`: which, filled up with −1. `slots` `[subsets, max nodes, max width]` lists members node by node, filled up
    with `size` where `even` is false; when `placed` there is a slot for every device of the node, in order. `railed`: a
    subset has members at the same places of all its nodes. `ranks` `[subsets, size]`: the members.
    """

    size: int
    nodes: Ints
    width: Ints
    ids: Ints
    slots: Ints
    ranks: Ints
    even: bool
    railed: bool

    def by_node(self, values: Array) -> Array:
        """`[…, subsets, size]` seen as `[…, subsets, nodes, width]`; a place without a member holds zero."""
        if self.even:
            return values.reshape(*values.shape[:-1], *self.slots.shape[-2:])
        padded = np.concatenate([values, np.zeros_like(values[..., :1])], axis=-1)
        index = np.broadcast_to(self.slots.reshape(len(self.slots), -1), (*values.shape[:-1], self.slots[0].size))
        return np.take_along_axis(padded, index, axis=-1).reshape(*values.shape[:-1], *self.slots.shape[-2:])

    def pairs_by_node(self, matrix: Array) -> Array:
        """`[…, subsets, size, size]` seen as `[…, subsets, nodes, width, nodes, width]`."""
        if self.even:
            nodes, width = self.slots.shape[-2:]
            return matrix.reshape(*matrix.shape[:-2], nodes, width, nodes, width)
        padded = np.pad(matrix, [(0, 0)] * (matrix.ndim - 2) + [(0, 1), (0, 1)])
        found = [padded[..., i, row[:, :, None, None], row] for i, row in enumerate(self.slots)]
        return np.stack(found, axis=-5)


def spread_of(members: Array, per_node: int, *, placed: bool = False) -> Spread:
    """How `members` `[subsets, size]` (global ranks, ascending) lie on nodes of `per_node` devices."""
    ranks = np.ascontiguousarray(members, dtype=np.int64)
    return _spread(ranks.tobytes(), ranks.shape[-1], per_node, placed)


@lru_cache(maxsize=256)
def _spread(ranks: bytes, size: int, per_node: int, placed: bool) -> Spread:
    member = np.frombuffer(ranks, dtype=np.int64).reshape(-1, size)
    node = member // per_node
    found = [np.unique(row, return_inverse=True, return_counts=True) for row in node]
    counts = [count for _, _, count in found]
    nodes = np.array([len(row) for row in counts])
    widest = per_node if placed else max(int(row.max()) for row in counts)
    ids = np.full((len(node), int(nodes.max())), -1)
    slots = np.full((len(node), int(nodes.max()), widest), size)
    for subset, (names, of, count) in enumerate(found):
        first = np.cumsum(count) - count
        place = member[subset] % per_node if placed else np.arange(size) - first[of]
        ids[subset, : len(names)] = names
        slots[subset, of, place] = np.arange(size)
    full = bool((slots < size).all())
    return Spread(
        size, nodes, np.array([row.min() for row in counts]), ids, slots, member, full, _railed(member, per_node)
    )


def _railed(member: Ints, per_node: int) -> bool:
    """Whether every subset has members at the same places of all its nodes."""
    for row in member:
        starts = np.flatnonzero(np.diff(row // per_node, prepend=-1))
        if len(row) % len(starts):
            return False
        places = (row % per_node).reshape(len(starts), -1)
        if (np.diff(starts) != places.shape[1]).any() or (places != places[:1]).any():
            return False
    return True
