"""Small serving cases, the timer that sees every sum of a load, and both programs run on them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np

from moec.backends.base import StepTimes
from moec.compiler.ir.batch import Load
from moec.compiler.sizes.kv_blocks import kv_cache_sizes
from moec.compiler.sizes.layout import layout_of
from moec.dsl.schema import (
    Burst,
    ClosedLoop,
    Experiment,
    Gqa,
    Host,
    KvCache,
    LeastLoaded,
    Lengths,
    Overhead,
    RoundRobinRouter,
    Scheduler,
    Serving,
    Workload,
)
from moec.serving.engine.config import EngineConfig, engine_config
from moec.serving.loop import serve
from moec.serving.requests.stream import RequestStream
from moec.serving.results import Results
from support.cases import DENSE, MIXTURE, experiment
from support.serving_reference import Loads, Rules, run
from support.serving_reference_cache import Request

FIELDS = ("chunks", "chunk_tokens", "pairs", "chunk_kv", "decodes", "decode_kv", "decode_max", "pairs_window",
          "chunk_kv_window", "decode_kv_window", "swapped_out", "swapped_in", "swapped_out_window",
          "swapped_in_window")  # fmt: skip


TOKEN_BYTES = 2 * 8 * 64 * 2
"""Keys and values of one token in one layer: 8 heads of 64 dimensions, two bytes each."""


@dataclass(frozen=True)
class Case:
    """A run: the rules, and per request (arrival, prompt, output, ids or None)."""

    rules: Rules
    requests: tuple[tuple[int, int, int, tuple[int, ...] | None], ...]
    tokens_per_id: int = 1
    equal_ns: int | None = None


class FakeTimer:
    """Time as a checksum of all fields of the load (or always the same, for events that coincide)."""

    def __init__(self, case: Case) -> None:
        self.case = case

    def row(self, load: np.ndarray) -> list[int]:
        """Nanoseconds per stage for a load `[fields, dp]`."""
        if self.case.equal_ns is not None:
            return [self.case.equal_ns] * self.case.rules.pp
        seed = crc32((np.ascontiguousarray(load) + 0.0).tobytes())
        return [100 + (seed >> 3 * stage) % 1009 for stage in range(self.case.rules.pp)]

    def times(self, load: Load) -> StepTimes:
        fields = np.broadcast_arrays(*(getattr(load, name) for name in FIELDS))
        table = np.stack(fields, axis=1)  # [steps, fields, dp]
        assert (table[:, FIELDS.index("chunks")] + table[:, FIELDS.index("decodes")]).sum(axis=1).all()
        stages = np.array([self.row(row) for row in table], dtype=np.int64)
        return StepTimes(stages.sum(axis=1), stages)

    def step(self, load: Load) -> tuple[int, list[int]]:
        stages = self.row(np.stack([getattr(load, name) for name in FIELDS]))
        return sum(stages), stages


def experiment_of(case: Case) -> Experiment:
    """The experiment that asks for the case's rules."""
    rules = case.rules
    model = MIXTURE if rules.dummy else DENSE
    assert isinstance(model.attention, Gqa)
    mixed = rules.window is not None and rules.pp == 1
    model = replace(model, attention=replace(model.attention, window=rules.window, full_every=2 if mixed else 0))
    serving = Serving(
        Scheduler(rules.max_sequences, rules.max_batched_tokens, rules.chunked),
        KvCache(
            blocks=rules.kv_blocks,
            block=rules.block,
            prefix_caching=rules.caching,
            preemption="recompute" if rules.host_blocks == 0 else "swap",
        ),
        RoundRobinRouter() if rules.round_robin else LeastLoaded(),
        Overhead(
            rules.step_ns / 1e9,
            rules.sequence_ns / 1e9,
            rules.asynchronous,
            rules.gap_ns / 1e9,
            rules.admission_ns / 1e9,
        ),
        rules.instances,
    )
    arrivals = ClosedLoop(rules.concurrency) if rules.concurrency else Burst()
    workload = Workload(Lengths(1, 1, len(case.requests)), arrivals)
    e = replace(experiment(model, dp=rules.dp, pp=rules.pp), serving=serving, workload=workload)
    return replace(e, cluster=replace(e.cluster, node=replace(e.cluster.node, host=host_of(case, model.layers))))


def host_of(case: Case, layers: int) -> Host | None:
    """A host with room for the case's blocks and half of one more, for each of the node's devices."""
    rules = case.rules
    if rules.host_blocks is None:
        return None
    return Host((rules.host_blocks + 0.5) * rules.block * -(-layers // rules.pp) * TOKEN_BYTES * 4, 1e9)


def stream_of(case: Case) -> RequestStream:
    """The case's requests as the loop takes them."""
    arrival, prompt, output, ids = zip(*case.requests, strict=True)
    arrival = [0] * len(arrival) if case.rules.concurrency else arrival  # as `workload_of` gives a closed loop
    columns = (np.array(column, dtype=np.int64) for column in (arrival, prompt, output))
    tokens = tuple(np.array(i, dtype=np.int64) for i in ids if i is not None)
    names = tuple(str(i) for i in range(len(arrival)))
    return RequestStream(names, *columns, tokens if len(tokens) == len(ids) else None, case.tokens_per_id)


def engine_of(case: Case) -> EngineConfig:
    """An engine that serves by the case's rules."""
    e = experiment_of(case)
    return engine_config(e, FakeTimer(case), layout_of(e), kv_cache_sizes(e, case.rules.kv_blocks))


def simulated(case: Case) -> tuple[Results, Loads]:
    """What moec makes of the case, and the loads of its iterations."""
    e, loads = experiment_of(case), {}

    def watch(instance: int, start_ns: np.ndarray, load: Load) -> None:
        rows = [np.broadcast_to(getattr(load, name), (len(load.decode_kv), case.rules.dp)) for name in FIELDS]
        for step, start in enumerate(start_ns.tolist()):
            loads[instance, start] = Load(**{name: row[step] for name, row in zip(FIELDS, rows, strict=True)})

    engines = [engine_of(case)] * case.rules.instances
    results, problems = serve(e, stream_of(case), engines, backend="fake", watch=watch)
    assert results is not None
    assert not problems
    return results, loads


def expected(case: Case) -> tuple[list[Request], list[tuple[int, ...]], Counter[int], Loads]:
    """What the reference makes of the case."""
    requests = []
    for i, (arrival, prompt, output, ids) in enumerate(case.requests):
        tokens = [
            ("prompt", i, t) if ids is None else (ids[t // case.tokens_per_id], t % case.tokens_per_id)
            for t in range(prompt)
        ]
        requests.append(Request(i, 0 if case.rules.concurrency else arrival, list(tokens), prompt, output))
    layers = (MIXTURE if case.rules.dummy else DENSE).layers
    windowed = layers // 2 if case.rules.window is not None and case.rules.pp == 1 else 0
    rules = replace(case.rules, full_bytes=(layers - windowed) * TOKEN_BYTES, window_bytes=windowed * TOKEN_BYTES)
    return requests, *run(rules, requests, FakeTimer(case).step)


def assert_equal(case: Case) -> list[Request]:
    """The loop and the reference agree on everything; the reference's requests, for statistics."""
    requests, iterations, gaps, loads = expected(case)
    results, given = simulated(case)
    table = results.requests
    rows = zip(
        table.arrival_ns, table.instance, table.dp_rank, table.scheduled_ns, table.first_token_ns, table.finish_ns,
        table.cached_tokens, table.preemptions, strict=True,
    )  # fmt: skip
    assert [tuple(map(int, row)) for row in rows] == [
        (r.arrival, r.instance, r.rank, r.scheduled, r.first, r.finish, r.cached, r.preemptions) for r in requests
    ]
    t = results.iterations
    columns = (t.instance, t.start_ns, t.end_ns, t.device_ns, t.prefill_tokens, t.decode_tokens, t.running, t.waiting,
               t.kv_blocks_used, t.swapped_out_bytes, t.swapped_in_bytes)  # fmt: skip
    assert [tuple(map(int, row)) for row in zip(*columns, strict=True)] == iterations
    assert dict(zip(results.gaps.gap_ns.tolist(), results.gaps.count.tolist(), strict=True)) == dict(
        sorted(gaps.items())
    )
    assert given.keys() == loads.keys()
    assert all(np.array_equal(getattr(given[key], name), getattr(loads[key], name)) for key in loads for name in FIELDS)
    assert results.preemptions == sum(r.preemptions for r in requests)
    assert (results.swapped or 0) == sum(r.swaps for r in requests)
    return requests
