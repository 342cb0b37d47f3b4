"""Iterations without overlap: times add up along a rank, and exchanges make all ranks wait for the slowest."""

from __future__ import annotations

from dataclasses import dataclass

from moec.arrays import Array
from moec.backends.fast.pricing import Price, Pricing, WeightedOp
from moec.compiler.lower.program import Program, Situation, TemplateBlock


@dataclass(frozen=True, slots=True, eq=False)
class StageSum:
    """A pipeline stage whose time is a sum of `terms`: `weight` times the price at the slowest rank.

    `rest` is what ranks do on their own after the stage's last exchange; it goes on into the next stage.
    """

    terms: tuple[tuple[int, Price], ...]
    rest: Price


def stages_of(program: Program, pricing: Pricing) -> tuple[StageSum, ...]:
    """The program's pipeline stages, cut at the exchanges that couple ranks."""
    firsts = sorted({block.first_rank for block in program.blocks})
    stages: list[StageSum] = []
    pending: list[WeightedOp] = []
    for first in firsts:
        terms: list[tuple[int, list[WeightedOp]]] = []
        for block in (b for b in program.blocks if b.first_rank == first):
            more, pending = _cut(block, pending)
            terms += more
        alone = program.context.layout.dp == 1 and all(i.template.on is None for _, items in terms for i in items)
        merged = _merge(terms) if alone else terms
        stages.append(StageSum(tuple((weight, pricing.of(items)) for weight, items in merged), pricing.of(pending)))
    return tuple(stages)


def _cut(
    block: TemplateBlock, pending: list[WeightedOp]
) -> tuple[list[tuple[int, list[WeightedOp]]], list[WeightedOp]]:
    """The terms of a block that follows `pending` work of each rank, and the work that is pending after it."""
    runs: list[list[WeightedOp]] = [[]]
    exchanges: list[WeightedOp] = []
    for t in block.templates:
        if t.couples:
            exchanges.append(WeightedOp(block, t, 1))
            runs.append([])
        else:
            runs[-1].append(WeightedOp(block, t, 1))
    if not exchanges:
        return [], [*pending, *(WeightedOp(block, t, block.repeat) for t in block.templates)]
    terms = [(1, [*pending, *runs[0]]), (block.repeat - 1, [*runs[-1], *runs[0]])]
    terms += [(block.repeat, run) for run in runs[1:-1]] + [(block.repeat, [x]) for x in exchanges]
    return [(weight, items) for weight, items in terms if weight and items], runs[-1]


def _merge(terms: list[tuple[int, list[WeightedOp]]]) -> list[tuple[int, list[WeightedOp]]]:
    """One term: with one attention-DP rank nobody waits for anybody."""
    items = [WeightedOp(i.block, i.template, i.weight * weight) for weight, group in terms for i in group]
    return [(1, items)] if items else []


def run_serial(stages: tuple[StageSum, ...], s: Situation) -> list[Array]:
    """The time at which each pipeline stage is done, one array `[…]` of nanoseconds from the iteration's start per stage."""
    done: list[Array] = []
    total: Array | int = 0
    for stage in stages:
        for weight, price in stage.terms:
            total = total + weight * _slowest(price(s))
        done.append(total + _slowest(stage.rest(s)))
    return done


def _slowest(time: Array) -> Array:
    return time[..., 0] if time.shape[-1] == 1 else time.max(axis=-1)
