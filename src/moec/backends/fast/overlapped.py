"""Iterations with overlap: the program's ops fused to as few as the schedule can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moec.arrays import Array
from moec.backends.fast.pricing import Price, Pricing, WeightedOp
from moec.backends.fast.schedule import evaluate
from moec.compiler.ir.graph import Block, Graph, Op
from moec.compiler.lower.program import Program, Situation, TemplateBlock


@dataclass(frozen=True, slots=True, eq=False)
class FusedBlock:
    """A block whose ops are runs of the program's: `runs` lists the templates of each."""

    block: TemplateBlock
    runs: tuple[tuple[int, ...], ...]
    prices: tuple[Price, ...]


def fuse(program: Program, pricing: Pricing) -> tuple[FusedBlock, ...]:
    """Every block with its ops fused."""
    return tuple(_fuse_block(block, pricing) for block in program.blocks)


def _fuse_block(block: TemplateBlock, pricing: Pricing) -> FusedBlock:
    disturbed = pricing.context.experiment.parallelism.interference > 0  # then every kernel ends in whole nanoseconds
    runs = tuple((i,) for i in range(len(block.templates))) if disturbed else _runs(block)
    prices = tuple(pricing.of([WeightedOp(block, block.templates[i], 1) for i in run]) for run in runs)
    return FusedBlock(block, runs, prices)


def _runs(block: TemplateBlock) -> tuple[tuple[int, ...], ...]:
    """Neighbours on the same ranks join when the later one waits for the earlier one alone and nothing else waits for that."""
    waited_for = [0] * len(block.templates)
    for t in block.templates:
        for d in t.deps:
            waited_for[d] += 1
    runs: list[list[int]] = []
    for i, t in enumerate(block.templates):
        before = block.templates[i - 1] if i else None
        joins = (
            before is not None
            and t.deps == (i - 1,)
            and waited_for[i - 1] == 1
            and (t.stream, t.lane, t.on) == (before.stream, before.lane, before.on)
            and not (t.couples or before.couples)
            and i - 1 not in block.exits
        )
        if joins:
            runs[-1].append(i)
        else:
            runs.append([i])
    return tuple(tuple(run) for run in runs)


def skeleton(program: Program, fused: Sequence[FusedBlock], lanes: Sequence[Situation]) -> Graph:
    """The graph of the fused ops: structure only, each with the work of its first template."""
    blocks = tuple(_skeleton_block(f, lanes) for f in fused)
    return Graph(program.world, program.groups, blocks, program.lanes)


def _skeleton_block(f: FusedBlock, lanes: Sequence[Situation]) -> Block:
    place = {template: run for run, members in enumerate(f.runs) for template in members}
    ops = []
    for run in f.runs:
        t = f.block.templates[run[0]]
        deps = tuple(sorted({place[d] for d in t.deps}))
        ops.append(Op(t.name, t.work(lanes[t.lane]), t.stream, deps, t.enters, t.span, t.on))
    exits = tuple(place[i] for i in f.block.exits)
    return Block(f.block.name, f.block.repeat, tuple(ops), exits, f.block.first_rank, f.block.ranks)


def run_fused(
    graph: Graph, fused: Sequence[FusedBlock], lanes: Sequence[Situation], interference: float = 0.0
) -> list[Array]:
    """The time at which each pipeline stage is done, one array `[…]` of nanoseconds from the iteration's start per stage.

    `graph`: the `skeleton` of `fused`; `lanes`: every lane's situation.
    """
    times = [
        [
            price(lanes[f.block.templates[run[0]].lane])[..., None, :]
            for run, price in zip(f.runs, f.prices, strict=True)
        ]
        for f in fused
    ]
    ends: Array = np.maximum.reduce(evaluate(graph, times, detail=False, interference=interference).lanes)
    done = ends.reshape(*ends.shape[:-1], -1, graph.blocks[0].ranks).max(axis=-1)
    return [done[..., i] for i in range(done.shape[-1])]
