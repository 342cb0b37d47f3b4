"""Assembly of the program: layers folded into blocks, blocks into pipeline stages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from moec.compiler.ir.graph import SendRecv, Work
from moec.compiler.lower.attention import attend
from moec.compiler.lower.context import Context
from moec.compiler.lower.experts import mixture, sums_later, weigh
from moec.compiler.lower.ffn import dense, embed, head
from moec.compiler.lower.kv_swap import swap
from moec.compiler.lower.lane import Lane, interleave
from moec.compiler.lower.program import Layers, Program, Situation, TemplateBlock
from moec.compiler.sizes.layout import stage_layers
from moec.compiler.sizes.parameters import attends_fully, is_moe_layer
from moec.dsl.schema import DTYPE_BYTES, Model

MAX_PERIOD = 12
"""Longest pattern of unlike layers that is folded into one block."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What distinguishes one layer from another."""

    moe: bool
    full: bool
    sums: bool = False
    """It begins with the sum that the mixture before it left (see `experts.sums_later`)."""


@dataclass(frozen=True, slots=True)
class Run:
    """`repeat` times the layers `kinds`, the first of them being layer `first`."""

    first: int
    kinds: tuple[Kind, ...]
    repeat: int


def program_of(c: Context) -> Program:
    """The program of an experiment: embedding, runs of like layers and head, on their stages."""
    kinds = _kinds(c)
    moe_before = np.cumsum([0, *(k.moe for k in kinds)])
    lanes = 2 if c.experiment.parallelism.overlap == "two_batch" else 1
    blocks: list[TemplateBlock] = []
    first = 0
    sizes = stage_layers(c.model.layers, c.layout.pp)
    for stage, size in enumerate(sizes):
        place = stage * c.layout.dp * c.copies
        if stage == 0:
            blocks.append(_block("embedding", c, 1, lanes, place, lambda lane: embed(lane, c)))
        if c.experiment.serving.kv_cache.preemption == "swap":  # after an op, so that every rank has one to wait for
            blocks.append(_block(f"swap_{stage}", c, 1, lanes, place, partial(swap, c=c, stage=stage)))
        blocks += [_run(c, run, moe_before, lanes, place) for run in runs(kinds[first : first + size], first)]
        first += size
        left = kinds[first - 1].moe and sums_later(c)
        if stage < len(sizes) - 1:
            if left:  # in a block of its own: the receivers' lanes are entered by the op that opens the send's block
                blocks.append(_block(f"sum_{stage}", c, 1, lanes, place, lambda lane: weigh(lane, c, _moe(c.model))))
            blocks.append(_block(f"send_{stage}", c, 1, lanes, place, lambda lane: _send(lane, c)))
    blocks.append(_block("head", c, 1, lanes, place, lambda lane: _end(lane, c, left=left)))
    return Program(c, tuple(blocks), _groups(c), lanes)


def _kinds(c: Context) -> list[Kind]:
    """The kind of every layer. A stage sums its own mixtures, before it sends."""
    later, kinds = sums_later(c), list[Kind]()
    for size in stage_layers(c.model.layers, c.layout.pp):
        first = len(kinds)
        for i in range(first, first + size):
            mixed = i > first and kinds[-1].moe
            kinds.append(Kind(is_moe_layer(c.model, i), attends_fully(c.model, i), later and mixed))
    return kinds


def runs(kinds: list[Kind], first: int) -> list[Run]:
    """The fewest runs, greedily: at each layer the repeated pattern that covers most, the shortest such."""
    found, i = [], 0
    while i < len(kinds):
        period, repeat = max(((p, _repeats(kinds, i, p)) for p in range(1, MAX_PERIOD + 1)), key=_coverage)
        found.append(Run(first + i, tuple(kinds[i : i + period]), repeat))
        i += period * repeat
    return found


def _repeats(kinds: list[Kind], start: int, period: int) -> int:
    pattern, count = kinds[start : start + period], 1
    if len(pattern) < period:
        return 0
    while kinds[start + count * period : start + (count + 1) * period] == pattern:
        count += 1
    return count


def _coverage(candidate: tuple[int, int]) -> tuple[int, int]:
    period, repeat = candidate
    return (period * repeat if repeat > 1 or period == 1 else 0, -period)


def _run(c: Context, run: Run, moe_before: Layers, lanes: int, place: int) -> TemplateBlock:
    def fill(lane: Lane) -> None:
        for offset, kind in enumerate(run.kinds):
            if kind.sums:
                weigh(lane, c, _moe(c.model))
            attend(lane, c, full=kind.full)
            if kind.moe:
                ids = run.first + offset + np.arange(run.repeat) * len(run.kinds)
                mixture(lane, c, _moe(c.model), moe_before[ids])
            elif c.model.ffn is not None:
                dense(lane, c, c.model.ffn)

    last = run.first + run.repeat * len(run.kinds) - 1
    name = f"layer_{run.first}" if last == run.first else f"layers_{run.first}_{last}"
    return _block(name, c, run.repeat, lanes, place, fill)


def _moe(model: Model):  # type: ignore[no-untyped-def]
    assert model.moe is not None
    return model.moe


def _block(name: str, c: Context, repeat: int, lanes: int, place: int, fill) -> TemplateBlock:  # type: ignore[no-untyped-def]
    parts = [Lane(i) for i in range(lanes)]
    for part in parts:
        fill(part)
    templates, exits = interleave(parts)
    return TemplateBlock(name, repeat, templates, exits, place, c.layout.dp * c.copies)


def _end(lane: Lane, c: Context, *, left: bool) -> None:
    """The head, after the sum that the last mixture may have left."""
    if left:
        weigh(lane, c, _moe(c.model))
    head(lane, c)


def _send(lane: Lane, c: Context) -> None:
    lane.add("send", lambda s: _activations(c, s), "tokens", stream="comm", span=c.experiment.span("parallelism.pp"))


def _activations(c: Context, s: Situation) -> Work:
    """Hidden state and residual, sliced over the tensor-parallel ranks (the next stage gathers them inside its node)."""
    width = 2 * c.model.hidden * DTYPE_BYTES[c.model.dtype.activations] / c.layout.tp
    return SendRecv(c.spread(s.load.tokens) * width, c.layout.dp * c.copies)


def _groups(c: Context) -> dict[str, np.ndarray]:
    if c.copies == c.layout.tp:
        return c.layout.groups()
    ranks = np.arange(c.layout.dp, dtype=np.int64)
    return {"tp": ranks.reshape(-1, 1), "dp": ranks.reshape(1, -1), "stage": ranks.reshape(1, -1)}
