"""Where the times of a run's ops came from: evidence counted over the iterations that ran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from moec.arrays import Array
from moec.compiler.ir.batch import Load
from moec.compiler.ir.estimate import EXTRAPOLATED, LEVELS, Beyond
from moec.compiler.ir.graph import Compute, Graph
from moec.compiler.lower.instantiate import lanes_of
from moec.compiler.lower.program import Program, Situation, Template, situation
from moec.compiler.routing.outcome import Expected
from moec.diagnostics import Diagnostic, Span

CHUNK = 1024
"""Iterations that are looked at together."""

SHOWN = 4
"""Ops that a warning names for each bound."""


@dataclass(frozen=True, slots=True)
class Excess:
    """How far an op went beyond a bound of the measurements: `times` kernels, up to `used`, measured up to `limit`.

    `below`: down to `used`, measured down to `limit`.
    """

    axis: str
    limit: float
    used: float
    times: int
    below: bool = False

    def __str__(self) -> str:
        way = "down to" if self.below else "up to"
        return f"{self.axis} {way} {self.used:,.0f}, measured {way} {self.limit:,.0f}"


@dataclass(frozen=True, slots=True)
class OpEvidence:
    """Of one op: how many kernels (iterations × attention-DP ranks × layers) have each evidence level."""

    counts: dict[str, int]
    beyond: tuple[Excess, ...] = ()

    @property
    def level(self) -> str:
        """The level of most of its kernels."""
        return max(LEVELS, key=lambda level: self.counts.get(level, 0))


@dataclass(slots=True)
class EvidenceTally:
    """Counts the evidence of every kernel of `program`, iteration by iteration, as the serving loop reports them.

    Its `add` costs a list append; the kernels are costed again, many iterations at once, when the chunk is full.
    """

    program: Program
    pending: list[Load] = field(default_factory=list)
    steps: int = 0
    counts: dict[str, Array] = field(default_factory=dict)
    excess: dict[str, dict[tuple[str, float, bool], Excess]] = field(default_factory=dict)

    def add(self, load: Load, steps: int) -> None:
        """`steps` iterations ran; the fields of `load` broadcast to `[≥ steps, dp]`."""
        shape = (steps, self.program.context.layout.dp)
        self.pending.append(load.map(lambda x: np.broadcast_to(_first(x, steps), shape)))
        self.steps += steps
        if self.steps >= CHUNK:
            self._settle()

    def result(self) -> dict[str, OpEvidence]:
        """Op -> evidence, in the order in which ops run."""
        self._settle()
        return {
            op: OpEvidence(
                {level: int(n) for level, n in zip(LEVELS, counts, strict=True) if n},
                tuple(self.excess.get(op, {}).values()),
            )
            for op, counts in self.counts.items()
        }

    def _settle(self) -> None:
        if not self.pending:
            return
        first = self.pending[0]
        columns = {name: np.concatenate([getattr(x, name) for x in self.pending]) for name in _FIELDS}
        self.pending, self.steps = [], 0
        routing = self._expected if self.program.context.law is not None else None
        lanes = [situation(self.program, part, routing) for part in lanes_of(self.program, type(first)(**columns))]
        for template, weight in _ops(self.program):
            self._count(template, weight, lanes[template.lane])

    def _expected(self, _load: Load, totals: Array) -> Expected:
        """The law at each total that occurs, once."""
        law = self.program.context.law
        assert law is not None
        unique, place = np.unique(totals, return_inverse=True)
        expected = law.expected(unique)
        wide = {f: np.broadcast_to(getattr(expected, f), unique.shape)[place] for f in type(expected).__slots__}
        return type(expected)(**wide)

    def _count(self, template: Template, weight: int, s: Situation) -> None:
        if template.follows == "chunks" and not s.load.chunk_tokens.any():
            return
        work = template.work(s)
        if not isinstance(work, Compute):
            return
        work_done = work.cost.time_ns > 0
        evidence = work.cost.evidence
        levels = np.broadcast_to(evidence.level, work_done.shape)[work_done]
        counts = np.bincount(levels, minlength=len(LEVELS)) * weight
        self.counts[template.name] = self.counts.get(template.name, 0) + counts
        for bound in evidence.beyond:
            self._exceed(template.name, bound, work_done, weight)

    def _exceed(self, op: str, bound: Beyond, work_done: Array, weight: int) -> None:
        values = np.broadcast_to(bound.value, work_done.shape)[work_done]
        over = values[(values < bound.limit) if bound.below else (values > bound.limit)]
        if not over.size:
            return
        known = self.excess.setdefault(op, {})
        key = (bound.axis, bound.limit, bound.below)
        farthest = float(over.min() if bound.below else over.max())
        if key in known:
            farthest = (min if bound.below else max)(farthest, known[key].used)
        times = over.size * weight + (known[key].times if key in known else 0)
        known[key] = Excess(bound.axis, bound.limit, farthest, times, bound.below)


_FIELDS = tuple(Load.__slots__)


def worst(level: Array, work: Array) -> str:
    """The least founded of the levels where there is work (of all, if there is none)."""
    shown = np.broadcast_to(level, work.shape)[work] if work.any() else np.asarray(level)
    return LEVELS[int(shown.max())]


def levels_of(graph: Graph) -> dict[str, str]:
    """Op -> the least founded level of its times in one iteration."""
    found: dict[str, str] = {}
    for block in graph.blocks:
        for op in block.ops:
            if isinstance(op.work, Compute):
                level = worst(op.work.cost.evidence.level, op.work.cost.time_ns > 0)
                found[op.name] = max(found.get(op.name, level), level, key=LEVELS.index)
    return found


def extrapolations(evidence: Mapping[str, OpEvidence], span: Span | None) -> list[Diagnostic]:
    """A warning that says which ops went beyond what was measured, how often and how far; none when none did."""
    passed: dict[tuple[str, float, bool], list[tuple[str, Excess]]] = {}
    corners: list[str] = []
    for op, e in evidence.items():
        for x in e.beyond:
            passed.setdefault((x.axis, x.limit, x.below), []).append((op, x))
        if e.counts.get(LEVELS[EXTRAPOLATED]) and not e.beyond:
            corners.append(op)
    parts = [_excess(found, evidence) for found in passed.values()]
    parts += [f"beside what was measured ({_listed(corners)})"] * bool(corners)
    if not parts:
        return []
    title = f"times were extrapolated: {'; '.join(parts)}"
    help = "`manifest.json` lists every op under `evidence`; measure further, or take `costs = roofline()`"
    return [Diagnostic("M451", title, span, "measured here", help=help, severity="warning")]


def _excess(found: Sequence[tuple[str, Excess]], evidence: Mapping[str, OpEvidence]) -> str:
    """One bound, and the ops that passed it."""
    ops, excesses = zip(*found, strict=True)
    farthest = (min if excesses[0].below else max)(excesses, key=lambda x: x.used)
    times, kernels = sum(x.times for x in excesses), sum(sum(evidence[op].counts.values()) for op in ops)
    return f"{farthest} ({_listed(ops)}: {times:,} of {kernels:,} kernels)"


def _listed(ops: Sequence[str]) -> str:
    shown = ", ".join(f"`{op}`" for op in ops[:SHOWN])
    return shown + (f" and {len(ops) - SHOWN} more ops" if len(ops) > SHOWN else "")


def _first(values: Array, steps: int) -> Array:
    """The first `steps` rows, or the one that stands for all."""
    array = np.asarray(values)
    return array[:steps] if array.ndim > 1 and len(array) > 1 else array


def _ops(program: Program) -> Iterator[tuple[Template, int]]:
    """Each op by name and lane once, with the number of layers it runs in."""
    layers: dict[tuple[str, int], tuple[Template, int]] = {}
    for block in program.blocks:
        for t in block.templates:
            if t.stream == "compute":
                known = layers.get((t.name, t.lane), (t, 0))
                layers[t.name, t.lane] = (known[0], known[1] + block.repeat)
    yield from layers.values()
