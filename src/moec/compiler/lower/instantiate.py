"""From a program and a batch to the graph of one iteration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Array
from moec.compiler.ir.batch import Batch, Load, halves, load_of
from moec.compiler.ir.graph import AllToAll, Block, Collective, Compute, Dense, Graph, Op, SendRecv, Transfer, Work
from moec.compiler.lower.context import Context
from moec.compiler.lower.padding import pad
from moec.compiler.lower.program import Program, Routing, Situation, Template, TemplateBlock, situation
from moec.dsl.schema import Gqa

Mode = Literal["expected", "drawn"]


def lower(program: Program, batch: Batch | Load, mode: Mode = "expected", iteration: int = 0) -> Graph:
    """The graph of one iteration (of several, if the load's fields have leading axes).

    `expected` routing uses means and expected maxima; `drawn` samples every layer, `iteration` numbers the draw.
    """
    load = batch if isinstance(batch, Load) else load_of(batch, window_of(program.context))
    parts = enumerate(lanes_of(program, load))
    lanes = [situation(program, part, _routing(program, mode, iteration * program.lanes + i)) for i, part in parts]
    blocks = (_block(block, lanes) for block in program.blocks)
    return Graph(program.world, program.groups, tuple(block for block in blocks if block.ops), program.lanes)


def window_of(context: Context) -> int | None:
    """The model's sliding window, if any layer has one."""
    attention = context.model.attention
    return attention.window if isinstance(attention, Gqa) else None


def lanes_of(program: Program, load: Load) -> tuple[Load, ...]:
    """The load of every lane: padded, and split in two halves when two micro-batches alternate."""
    filled = pad(program.context, load)
    return halves(filled) if program.lanes == 2 else (filled,)


def _routing(program: Program, mode: Mode, draw: int) -> Routing | None:
    """What the program's law says, if it has one; `draw` numbers the draw."""
    c, law = program.context, program.context.law
    if law is None:
        return None
    if mode == "expected":
        return lambda _load, totals: law.expected(totals)
    return lambda load, _totals: law.drawn(_tokens_per_source(c, load), draw)


def _tokens_per_source(c: Context, load: Load) -> NDArray[np.int64]:
    """Tokens of each rank of the stage: a rank's tokens are dealt out one by one to its tensor-parallel ranks."""
    tokens = np.broadcast_to(np.asarray(load.tokens), (c.layout.dp,)).astype(np.int64)
    ranks = np.arange(c.layout.tp)
    return ((tokens[:, None] + c.layout.tp - 1 - ranks) // c.layout.tp).reshape(-1)


def _block(block: TemplateBlock, lanes: Sequence[Situation]) -> Block:
    made = [(t, t.work(lanes[t.lane])) for t in block.templates]
    keep = [bool(np.any(amount(work))) for _, work in made]
    if all(keep):
        ops = tuple(_op(t, work, t.deps, t.enters) for t, work in made)
        return Block(block.name, block.repeat, ops, block.exits, block.first_rank, block.ranks)
    return _without_idle(block, made, keep)


def amount(work: Work) -> Array:
    """What is zero where an op has nothing to do: time of a kernel, bytes of a movement."""
    match work:
        case Compute():
            return work.cost.time_ns
        case AllToAll():
            return work.pairs.bytes if isinstance(work.pairs, Dense) else work.pairs.sent
        case Collective() | SendRecv() | Transfer():
            return work.bytes
        case other:
            assert_never(other)


def _op(t: Template, work: Work, deps: tuple[int, ...], enters: tuple[int, ...]) -> Op:
    return Op(t.name, work, t.stream, deps, enters, t.span, t.on)


def _without_idle(block: TemplateBlock, made: list[tuple[Template, Work]], keep: list[bool]) -> Block:
    """The block without the ops that no rank has work for (no prompt: no prefill attention); their deps pass through."""
    place: list[int] = []
    through: list[tuple[set[int], set[int]]] = []
    ops: list[Op] = []
    for (t, work), kept in zip(made, keep, strict=True):
        deps = {d for i in t.deps for d in through[i][0]}
        enters = set(t.enters).union(*(through[i][1] for i in t.deps))
        if kept:
            through.append(({len(ops)}, set()))
            ops.append(_op(t, work, tuple(sorted(deps)), tuple(sorted(enters)) if not deps else ()))
        else:
            through.append((deps, enters))
        place.append(len(ops) - 1)
    exits = tuple(max(through[i][0], default=place[i]) for i in block.exits)
    return Block(block.name, block.repeat, tuple(ops), exits, block.first_rank, block.ranks)
