"""Serving as vLLM V1 does it, one step at a time over plain request objects: slow, and meant to be obviously right.

Read from vLLM 0.19.0: `v1/core/sched/scheduler.py` (`schedule`, `_update_after_schedule`, `update_from_output`),
`v1/core/kv_cache_manager.py` (`can_fit_full_sequence`, `allocate_slots`), `v1/core/single_type_kv_cache_manager.py`,
`v1/core/block_pool.py`, `v1/core/sched/async_scheduler.py`, `v1/engine/core.py` (`step_with_batch_queue`,
`DPEngineCoreProc`) and `v1/engine/core_client.py` (`DPLBAsyncMPClient`). Swapping, which it lacks, is read from vLLM V0 (commit
0054e1f): `core/scheduler.py` (`_schedule_default`, `_schedule_swapped`, `_preempt_by_swap`). docs/serving.md
says where moec departs from it; those places are marked *moec* here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from moec.compiler.ir.batch import Load, RankBatch, load_of
from support.serving_reference_cache import Pool, Request

Step = Callable[[Load], tuple[int, list[int]]]
"""Device time of one iteration and how long it holds each pipeline stage, from a load with fields `[dp]`."""


@dataclass(frozen=True)
class Rules:
    """Everything that decides a run besides the requests."""

    instances: int
    dp: int
    pp: int
    max_sequences: int
    max_batched_tokens: int
    chunked: bool
    block: int
    kv_blocks: int
    caching: bool
    window: int | None
    dummy: bool
    round_robin: bool
    concurrency: int | None
    step_ns: int
    sequence_ns: float
    asynchronous: bool = False
    gap_ns: int = 0
    admission_ns: int = 0
    host_blocks: int | None = 0
    full_bytes: float = 0.0
    window_bytes: float = 0.0

    @property
    def ahead(self) -> bool:
        """A second batch is scheduled while one runs, on tokens that are not out yet."""
        return self.asynchronous and self.pp == 1


@dataclass(frozen=True)
class Item:
    """What a batch computes for one request; `last`: its latest token is among it, so a new one comes out."""

    request: Request
    new: int
    context: int
    decode: bool
    last: bool


class Rank:
    """The scheduler of one attention-DP rank."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.waiting: list[Request] = []
        self.running: list[Request] = []
        self.swapped: list[Request] = []
        self.moves: list[tuple[str, int]] = []
        self.pool = Pool(rules.kv_blocks, rules.block, rules.caching)

    def schedule(self, now: int) -> list[Item]:
        items: list[Item] = []
        budget, preempted = self.rules.max_batched_tokens, False
        position = 0
        while position < len(self.running) and budget > 0:
            request = self.running[position]
            position += 1
            if request.output and len(request.tokens) - request.prompt == request.output:
                continue  # its last token is under way
            new = min(len(request.tokens) - request.computed, budget)
            if not new:
                continue
            while request in self.running and not self.pool.fits(request, request.computed + new, []):
                self._preempt(self.running.pop())
                preempted = True
            if request in self.running:
                budget -= self._compute(request, new, [], items)
        for request in [] if preempted else self.swapped.copy():
            if not budget or len(self.running) == self.rules.max_sequences:
                break
            if request.awaited:
                continue
            hits = self.pool.hits(request)
            computed = max(request.computed, len(hits) * self.rules.block)
            rest = len(request.tokens) - computed
            if not self.rules.chunked and budget < rest <= self.rules.max_batched_tokens:
                break
            if not self.pool.fits(request, len(request.tokens), hits):
                break
            self.swapped.remove(request)
            self.running.append(request)
            self.moves.append(("in", max(0, -(-request.computed // self.rules.block) - len(hits))))
            self.pool.allocate(request, computed, hits)
            request.computed = computed
            budget -= self._compute(request, min(rest, budget), [], items)
        for request in [] if preempted or self.swapped else self.waiting.copy():
            if not budget or len(self.running) == self.rules.max_sequences:
                break
            if request.awaited:  # moec: as later versions do; 0.19.0 would generate the token twice
                continue
            hits = self.pool.hits(request)
            request.computed = len(hits) * self.rules.block
            rest = len(request.tokens) - request.computed
            if not self.rules.chunked and budget < rest <= self.rules.max_batched_tokens:
                break  # moec: what preemption made longer than the budget is chunked; vLLM forbids such a budget
            if not self.pool.fits(request, len(request.tokens), hits):
                break
            self.waiting.remove(request)
            self.running.append(request)
            if request.scheduled < 0:
                request.scheduled, request.cached = now, request.computed
            budget -= self._compute(request, min(rest, budget), hits, items)
        for item in items if self.rules.ahead else []:
            item.request.decoding = item.last
            if item.last and item.request.output:
                item.request.tokens.append(("generated", item.request.index, len(item.request.tokens)))
        return items

    def _compute(self, request: Request, new: int, hits: list[int], items: list[Item]) -> int:
        context = request.computed
        self.pool.allocate(request, context + new, hits)
        request.computed += new
        last = request.computed == len(request.tokens)
        request.awaited += last
        items.append(Item(request, new, context, request.decoding, last))
        return new

    def _preempt(self, request: Request) -> None:
        blocks = len(request.table)
        self.pool.release(request)
        request.preemptions += 1
        there = sum(-(-other.computed // self.rules.block) for other in self.swapped)
        if self.rules.host_blocks is None or there + blocks <= self.rules.host_blocks:
            request.swaps += 1
            self.moves.append(("out", blocks))
            self.swapped.insert(0, request)
        else:
            request.computed, request.decoding = 0, False
            self.waiting.insert(0, request)

    def update(self, item: Item, now: int, gaps: Counter[int]) -> bool:
        """The batch with `item` is back; whether that finishes the request."""
        request = item.request
        if not item.last:
            return False
        request.awaited -= 1
        if request.output:
            request.emitted += 1
            if not self.rules.ahead:
                request.tokens.append(("generated", request.index, len(request.tokens)))
            if request.first < 0:
                request.first = now
            else:
                gaps[now - request.latest] += 1
            request.latest = now
        if request.emitted == request.output:
            (queue,) = (q for q in (self.running, self.waiting, self.swapped) if request in q)
            queue.remove(request)
            self.pool.release(request)
            request.finish = now
            return True
        if not self.rules.ahead:
            request.decoding = request not in self.waiting
        return False


class Engine:
    """One instance: its ranks step together, and up to `pp` of their batches are on their way through the stages.

    Without stages an asynchronous host keeps two batches under way. `host`: when it is done with the latest; `blocked`:
    it found nothing to schedule and waits for the oldest.
    """

    def __init__(self, index: int, rules: Rules, step: Step) -> None:
        self.index, self.rules, self.step = index, rules, step
        self.ranks = [Rank(rules) for _ in range(rules.dp)]
        self.stage_free = [0] * rules.pp
        self.host, self.blocked = 0, False
        self.flights: list[tuple[int, list[list[Item]]]] = []
        self.iterations: list[tuple[int, ...]] = []
        self.loads: Loads = {}

    def free(self, now: int) -> bool:
        """Whether the engine schedules at `now`."""
        if self.rules.ahead:
            return len(self.flights) < 2 and now >= self.host and not (self.blocked and self.flights)
        return len(self.flights) < self.rules.pp and now >= self.stage_free[0]

    def start(self, now: int) -> None:
        while self.free(now):
            parts = [rank.schedule(now) for rank in self.ranks]
            self.blocked = not any(parts)
            if self.blocked:
                return
            before = max(now, self.flights[-1][0]) if self.rules.ahead and self.flights else now
            load = self.loads[self.index, before] = self._load(parts)
            device, stages = self.step(load)
            spent = self.rules.step_ns + round(self.rules.sequence_ns * max(map(len, parts)))
            if self.rules.ahead:
                self.host = now + spent
                end = max(before, self.host) + self.rules.gap_ns + device
            else:
                since = self.host if self.rules.asynchronous and self.flights else now
                self.host = max(now, since + spent)
                end = self.host + self.rules.gap_ns
                for stage, held in enumerate(stages):
                    end = max(end, self.stage_free[stage]) + held
                    self.stage_free[stage] = end
            self.flights.append((end, parts))
            self._write_down(before, end, device, parts, load)

    def _write_down(self, start: int, end: int, device: int, parts: list[list[Item]], load: Load) -> None:
        full, window = self.rules.full_bytes, self.rules.window_bytes
        items = [item for part in parts for item in part]
        self.iterations.append(
            (
                self.index, start, end, device, sum(i.new for i in items if not i.decode), sum(i.decode for i in items),
                len(items), sum(len(rank.waiting) + len(rank.swapped) for rank in self.ranks),
                sum(self.rules.kv_blocks - len(rank.pool.free) for rank in self.ranks),
                round(float(np.sum(load.swapped_out * full + load.swapped_out_window * window))),
                round(float(np.sum(load.swapped_in * full + load.swapped_in_window * window))),
            )
        )  # fmt: skip

    def _load(self, parts: list[list[Item]]) -> Load:
        batch = [[(item.new, item.context) for item in part] for part in parts]
        if self.rules.dummy and self.rules.dp > 1:
            batch = [rank or [(1, 0)] for rank in batch]
        arrays = [np.array(rank, dtype=np.int64).reshape(-1, 2).T for rank in batch]
        load = load_of(tuple(RankBatch(new, context) for new, context in arrays), self.rules.window)
        load = replace(
            load,
            swapped_out=self._moved("out", None),
            swapped_in=self._moved("in", None),
            swapped_out_window=self._moved("out", self.rules.window),
            swapped_in_window=self._moved("in", self.rules.window),
        )
        for rank in self.ranks:
            rank.moves.clear()
        return load

    def _moved(self, way: str, window: int | None) -> np.ndarray:
        """Token slots per rank; of a window only the blocks that it can touch."""
        size = self.rules.block
        most = sum(1 for _ in range(0, window - 1, size)) + 1 if window else 1 << 30
        return np.array([sum(min(n, most) * size for w, n in rank.moves if w == way) for rank in self.ranks], float)

    def end(self, now: int, gaps: Counter[int]) -> int:
        """Take back the oldest batch; how many requests that finishes."""
        _, parts = self.flights.pop(0)
        self.blocked = False
        return sum(rank.update(item, now, gaps) for rank, part in zip(self.ranks, parts, strict=True) for item in part)


Loads = dict[tuple[int, int], Load]
"""By instance and start."""


def run(rules: Rules, requests: list[Request], step: Step) -> tuple[list[tuple[int, ...]], Counter[int], Loads]:
    """Serve `requests` (in arrival order, changed in place): the iterations, the gaps between tokens, the loads."""
    engines = [Engine(i, rules, step) for i in range(rules.instances)]
    queues = [rank for engine in engines for rank in engine.ranks]
    gaps: Counter[int] = Counter()
    routed, released, now = 0, rules.concurrency or len(requests), -1
    while any(request.finish < 0 for request in requests):
        coming = [request.arrival + rules.admission_ns for request in requests[routed:released][:1]]
        coming += [flight[0] for engine in engines for flight in engine.flights]
        coming += [free for engine in engines for free in (engine.stage_free[0], engine.host) if free > now]
        now = min(coming)
        awake = {engine.index for engine in engines if now in (engine.stage_free[0], engine.host)}
        for engine in engines:
            while engine.flights and engine.flights[0][0] == now:
                awake.add(engine.index)
                done = engine.end(now, gaps)
                for request in requests[released : released + done] if rules.concurrency else []:
                    request.arrival = now
                    released += 1
        while routed < min(released, len(requests)) and requests[routed].arrival + rules.admission_ns == now:
            scores = [4 * (len(queue.waiting) + len(queue.swapped)) + len(queue.running) for queue in queues]
            queue = routed % len(queues) if rules.round_robin else scores.index(min(scores))
            queues[queue].waiting.append(requests[routed])
            requests[routed].instance, requests[routed].rank = divmod(queue, rules.dp)
            awake.add(requests[routed].instance)
            routed += 1
        for index in sorted(awake):
            engines[index].start(now)
    rows = [row for engine in engines for row in engine.iterations]
    loads = {key: load for engine in engines for key, load in engine.loads.items()}
    return sorted(rows, key=lambda row: (row[1], row[0])), gaps, loads
