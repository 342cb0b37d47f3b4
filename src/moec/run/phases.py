"""One full iteration of each phase: what runs in it, how long each op takes and what bounds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from moec.backends.base import Backend, Timing
from moec.backends.critical_path import PathShare, critical_path, path_shares
from moec.backends.network.report import ExchangeReport, ExplainsExchanges
from moec.backends.op_rows import OpRow, op_rows
from moec.backends.registry import backend_of, timed_by
from moec.compiler.ir.batch import RankBatch
from moec.compiler.ir.graph import Graph
from moec.compiler.lower import lower, program_of
from moec.dsl.schema import Serving
from moec.run.session import FAST, Session


@dataclass(frozen=True, slots=True)
class Typical:
    """What a typical request is: prompt and output tokens; `assumed` when there is no workload to take them from."""

    input_tokens: int
    output_tokens: int
    requests_per_rank: int
    assumed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Phase:
    """One iteration of `tokens` new tokens and `sequences` requests in all, on one instance. Times in microseconds.

    Operations and their sum are the fast estimator's. `compared_us`: the whole iteration's by another backend, if one was
    asked. Where asked for and known: `path`, the critical path by op, and `exchanges`, what each exchange waits for.
    """

    name: str
    sequences: int
    tokens: int
    time_us: float
    exposed_us: float
    ops: tuple[OpRow, ...]
    compared_us: float | None = None
    path: tuple[PathShare, ...] = ()
    exchanges: tuple[ExchangeReport, ...] = ()

    @property
    def communication_us(self) -> float:
        """Time spent in communication ops, hidden or not."""
        return sum(op.time_us for op in self.ops if op.communication)


def typical_of(session: Session) -> Typical:
    """The mean request of the session's workload; 1024 tokens in and 256 out when it has none."""
    stream, serving = session.stream, session.experiment.serving
    if stream is None:
        return Typical(1024, 256, serving.scheduler.max_sequences, assumed=True)
    ranks = session.prepared.context.layout.dp * serving.instances
    per_rank = -(-len(stream.input_tokens) // ranks)
    mean_in, mean_out = (max(1, round(float(np.mean(x)))) for x in (stream.input_tokens, stream.output_tokens))
    return Typical(mean_in, mean_out, per_rank, assumed=False)


def session_phases(session: Session) -> tuple[Phase, ...]:
    """The phases of a session as the fast estimator times them."""
    return phases_of(session, typical_of(session))


def phases_of(session: Session, typical: Typical, *, compare: bool = False, studied: bool = False) -> tuple[Phase, ...]:
    """Prefill, decode and mixed, each as full as the scheduler, the cache and the workload let it be.

    With `compare`, timed by the session's own backend too, unless that is the fast estimator; `studied` with critical
    path and exchanges.
    """
    context = session.prepared.context
    batches = phase_batches(context.experiment.serving, session.prepared.memory.kv_blocks, typical)
    program = program_of(context)
    timed, _ = timed_by(session.experiment, FAST)
    fast = backend_of(timed or session.experiment)
    found = []
    for name, rank in batches.items():
        graph = lower(program, (rank,) * context.layout.dp)
        timing = fast.run(graph)
        path, exchanges = _studied(graph, timing, fast) if studied else ((), ())
        other = session.backend.run(graph, detail=False) if compare and session.backend_name != FAST else None
        found.append(_phase(name, rank, context.layout.dp, op_rows(graph, timing), timing, other, path, exchanges))
    return tuple(found)


def _phase(
    name: str,
    rank: RankBatch,
    dp: int,
    ops: tuple[OpRow, ...],
    timing: Timing,
    other: Timing | None,
    path: tuple[PathShare, ...],
    exchanges: tuple[ExchangeReport, ...],
) -> Phase:
    makespan, exposed = _us(timing.makespan_ns), _us(timing.exposed_ns)
    compared = None if other is None else _us(other.makespan_ns)
    return Phase(name, len(rank.new) * dp, int(rank.new.sum()) * dp, makespan, exposed, ops, compared, path, exchanges)


def _studied(
    graph: Graph, timing: Timing, backend: Backend
) -> tuple[tuple[PathShare, ...], tuple[ExchangeReport, ...]]:
    """Only timings that say when ops were ready have a path, and only the fast estimator knows its links."""
    known = bool(timing.ops) and all(op.ready_ns is not None for op in timing.ops)
    path = path_shares(critical_path(graph, timing)) if known else ()
    return path, backend.exchanges(graph) if isinstance(backend, ExplainsExchanges) else ()


def phase_batches(serving: Serving, kv_blocks: int, typical: Typical) -> Mapping[str, RankBatch]:
    """One attention-DP rank's requests in each phase.

    Prefill fills the token budget with prompts. Decode runs as many requests as the scheduler, the KV cache and the
    workload allow, halfway through their output. Mixed is that batch with the rest of the budget spent on a prompt.
    """
    budget, prompt = serving.scheduler.max_batched_tokens, typical.input_tokens
    blocks_each = -(-(prompt + typical.output_tokens) // serving.kv_cache.block)
    running = max(1, min(serving.scheduler.max_sequences, kv_blocks // blocks_each, typical.requests_per_rank))
    prompts = min(running, budget // prompt) if prompt <= budget else 1
    decodes = min(running, max(1, budget - 2))
    chunk = max(1, min(prompt, budget - decodes))
    context = prompt + typical.output_tokens // 2
    prefill = RankBatch(_repeat(min(prompt, budget), prompts), _repeat(0, prompts))
    decode = RankBatch(_repeat(1, decodes), _repeat(context, decodes))
    mixed = RankBatch(np.append(decode.new, chunk), np.append(decode.context, 0))
    return {"prefill": prefill, "decode": decode, "mixed": mixed}


def cost_sources(phases: tuple[Phase, ...]) -> dict[str, str]:
    """Op -> evidence level of its time."""
    return {op.name: op.source for phase in phases for op in phase.ops}


def _repeat(value: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.full(count, value, dtype=np.int64)


def _us(value: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> float:
    return float(np.max(value)) / 1e3
