"""How kernels slow down while exchanges run on the same rank."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from moec.arrays import Array
from moec.compiler.ir.graph import Block

Interval = tuple[Array, Array]
"""Start and end on each rank, in nanoseconds, `[…, ranks]`."""


def process_order(block: Block) -> tuple[int, ...]:
    """The ops of a block, by number, with those of other streams than `compute` as early as they can stand.

    Every exchange that can run beside a kernel then stands before it: one that stands after it waits for a kernel that
    runs later still. (A block never begins with an exchange, so none runs beside kernels of the block before.)
    """
    order: list[int] = []
    placed: set[int] = set()
    kernels = [i for i, op in enumerate(block.ops) if op.stream == "compute"]
    others = [i for i, op in enumerate(block.ops) if op.stream != "compute"]

    def pull() -> None:
        while others and placed.issuperset(block.ops[others[0]].deps):
            placed.add(others[0])
            order.append(others.pop(0))

    pull()
    for i in kernels:
        placed.add(i)
        order.append(i)
        pull()
    return tuple(order)


def stretched(start: Array, end: Array, talks: Sequence[Interval], interference: float) -> Array:
    """When kernels end that would run undisturbed from `start` to `end`, in whole nanoseconds; all `[…, ranks]`.

    `talks`: the exchanges on the same ranks, in order, no two at once. Beside one a kernel has 1 − `interference` of its
    speed. A kernel without work takes no time all the same.
    """
    until = end
    for begin, over in talks:
        first = np.maximum(start, begin)
        beside = np.maximum(over - first, 0)
        left = np.maximum(until - first, 0)
        inside = first + np.rint(left / (1.0 - interference)).astype(np.int64)
        slowed = np.minimum(inside, until + np.rint(interference * beside).astype(np.int64))
        until = np.where((left > 0) & (beside > 0) & (end > start), slowed, until)
    return until
