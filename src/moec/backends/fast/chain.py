"""Iterations without overlap: times add up along a rank, and exchanges make all ranks wait for the slowest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.backends.fast.pricing import Price, Pricing
from moec.compiler.kernels import Array
from moec.compiler.lower.program import Program, Situation, Template, TemplateBlock

@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A block: what a rank does before, between and after its exchanges, and the exchanges; `repeat` times."""

    repeat: int
    local: tuple[Price, ...]
    exchange: tuple[Price, ...]
    first_rank: int


def parts_of(program: Program, pricing: Pricing) -> tuple[Part, ...]:
    """The program's blocks, cut at their exchanges."""
    return tuple(_part(block, pricing) for block in program.blocks)


def _part(block: TemplateBlock, pricing: Pricing) -> Part:
    local: list[list[Template]] = [[]]
    exchange: list[Template] = []
    for t in block.templates:
        if t.couples:
            exchange.append(t)
            local.append([])
        else:
            local[-1].append(t)
    prices = tuple(pricing.of(block, tuple(ts)) for ts in local)
    return Part(block.repeat, prices, tuple(pricing.of(block, (t,)) for t in exchange), block.first_rank)


def run_chain(parts: tuple[Part, ...], s: Situation) -> tuple[Array, list[Array]]:
    """Time of the iteration `[…]`, and the time at which each pipeline stage is done, cumulative `[…]`."""
    total: Array = np.zeros(1, dtype=np.int64)
    since: Array = np.zeros((1, 1), dtype=np.int64)
    done: list[Array] = []
    for i, part in enumerate(parts):
        total, since = _run_part(part, s, total, since)
        if i + 1 == len(parts) or parts[i + 1].first_rank != part.first_rank:
            done.append(total + since.max(axis=-1))
    return done[-1], done


def _run_part(part: Part, s: Situation, total: Array, since: Array) -> tuple[Array, Array]:
    """`since`: each rank's time since all of them were together, at `total`."""
    local = [price(s) for price in part.local]
    if not part.exchange:
        return total, since + part.repeat * local[0]
    exchange = [price(s)[..., 0] for price in part.exchange]
    inner = sum((x.max(axis=-1) for x in local[1:-1]), sum(exchange[1:], exchange[0]))
    total = total + (since + local[0]).max(axis=-1) + part.repeat * inner
    if part.repeat > 1:
        total = total + (part.repeat - 1) * (local[-1] + local[0]).max(axis=-1)
    return total, local[-1]
