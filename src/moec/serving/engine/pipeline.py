"""An instance with pipeline stages: up to as many batches in flight as stages, each scheduled by a walk over its requests."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from moec.compiler.ir.batch import Load, RankBatch, load_of
from moec.serving.agenda import END, START
from moec.serving.engine.host_memory import HostBlocks, returning
from moec.serving.engine.instance import Floor
from moec.serving.engine.kv_cache import Blocks
from moec.serving.engine.limits import GONE, Chunk
from moec.serving.engine.loads import with_swaps
from moec.serving.records import NEVER

DUMMY = RankBatch(np.ones(1, dtype=np.int64), np.zeros(1, dtype=np.int64))


@dataclass(slots=True)
class Queue:
    """The requests of one attention-DP rank; `awaited`: those whose next token is under way; `decoding`: past the prompt."""

    blocks: Blocks
    host: HostBlocks
    waiting: deque[int] = field(default_factory=deque)
    running: dict[int, None] = field(default_factory=dict)
    awaited: set[int] = field(default_factory=set)
    decoding: set[int] = field(default_factory=set)

    @property
    def queued(self) -> int:
        """Requests that wait to run, be it for the first time."""
        return len(self.waiting) + len(self.host.queue)


@dataclass(slots=True)
class Flight:
    """A batch in the pipeline: per attention-DP rank, what it computes."""

    items: list[list[Chunk]]


class Pipeline:
    """See `Instance`. A batch is formed when the first stage is free; chunks of one prompt may follow each other closely."""

    def __init__(self, index: int, floor: Floor) -> None:
        self.index, self.floor, self.first = index, floor, index * floor.dp
        self.queues = [Queue(floor.blocks(), floor.host_blocks()) for _ in range(floor.dp)]
        self.stage_free = [0] * floor.pp
        self.flights: dict[int, Flight] = {}
        self.token, self.host, self.blocked = 0, 0, NEVER

    @property
    def swapped(self) -> int:
        """See `Instance`."""
        return sum(queue.host.swapped for queue in self.queues)

    def arrive(self, request: int, rank: int, now: int) -> None:
        """See `Instance`."""
        self.queues[rank].waiting.append(request)
        self._count()
        if len(self.flights) < self.floor.pp and now >= self.stage_free[0]:
            self.floor.agenda.post(now, START, self.index, 0)

    def start(self, now: int, token: int, horizon: int | None) -> None:
        """See `Instance`."""
        if len(self.flights) >= self.floor.pp or now < self.stage_free[0] or now == self.blocked:
            return
        items = [self._schedule(queue, now) for queue in self.queues]
        self._count()
        if not any(items):
            self.blocked = now  # a second start at this time must not resume what the first one preempted
            return
        self.token += 1
        self.flights[self.token] = Flight(items)
        sequences = max(map(len, items))
        end = self._travel(now, items, self.floor.host.spent(sequences))
        self.floor.agenda.post(end, END, self.index, self.token)
        self.floor.agenda.post(self.stage_free[0], START, self.index, 0)

    def _travel(self, now: int, items: list[list[Chunk]], spent: int) -> int:
        """Send the batch through the stages; the host's time delays the first. Returns when the batch is back.

        An asynchronous host is at work on it since it was done with the batch before, unless there was none under way.
        """
        load = self._load(items)
        times = self.floor.timer.times(load)
        if self.floor.watch is not None:
            self.floor.watch(self.index, np.array([now]), load)
        since = self.host if self.floor.host.asynchronous and len(self.flights) > 1 else now
        self.host = max(now, since + spent)
        end = self.host + self.floor.host.gap_ns
        for stage, held in enumerate(times.stage_ns[0].tolist()):
            end = max(end, self.stage_free[stage]) + held
            self.stage_free[stage] = end
        decodes = sum(c.request in q.decoding for q, part in zip(self.queues, items, strict=True) for c in part)
        tokens = sum(chunk.new for part in items for chunk in part)
        own = slice(self.first, self.first + len(self.queues))
        used = sum(self.floor.kv_blocks - queue.blocks.free for queue in self.queues)
        self.floor.iterations.add(
            self.index, now, end, int(times.latency_ns[0]), tokens - decodes, decodes,
            sum(map(len, items)), sum(self.floor.waiting[own]), used, *self.floor.swapped_bytes(load),
        )  # fmt: skip
        return end

    def _load(self, items: list[list[Chunk]]) -> Load:
        batch = [
            RankBatch(
                np.array([c.new for c in part], dtype=np.int64), np.array([c.context for c in part], dtype=np.int64)
            )
            for part in items
        ]
        if self.floor.dummy and len(items) > 1:
            batch = [rank if len(rank.new) else DUMMY for rank in batch]
        window = self.floor.limits.window
        load = load_of(tuple(batch), None if window == GONE else window).map(lambda column: column[None, :])
        return with_swaps(load, [queue.host for queue in self.queues])

    def _schedule(self, queue: Queue, now: int) -> list[Chunk]:
        items: list[Chunk] = []
        left, calm = self._continue(queue, items)
        if calm:
            left = self._resume(queue, left, items)
            if not queue.host.queue:
                self._admit(queue, left, now, items)
        return items

    def _continue(self, queue: Queue, items: list[Chunk]) -> tuple[int, bool]:
        """Running requests first, oldest first: the budget that is left, and whether nobody was preempted."""
        columns, left, calm = self.floor.requests, self.floor.limits.max_batched_tokens, True
        for request in list(queue.running):
            if left == 0:
                break
            if request not in queue.running:
                break
            computed = columns.computed[request]
            new = min(columns.known[request] - computed, left)
            if not new:
                continue
            while request in queue.running and self._short(queue, computed, new):
                self._preempt(queue)
                calm = False
            if request in queue.running:
                left -= self._compute(queue, request, computed, new, items)
        return left, calm

    def _short(self, queue: Queue, computed: int, new: int) -> bool:
        block = self.floor.limits.block
        return -(-(computed + new) // block) + (-computed // block) > queue.blocks.free

    def _preempt(self, queue: Queue) -> None:
        """The newest request goes, even if its batch has not come back; a token that is under way still counts."""
        columns = self.floor.requests
        request, _ = queue.running.popitem()
        queue.blocks.release(request, columns.computed[request])
        columns.preemptions[request] += 1
        if not queue.host.store(request, columns.computed[request]):
            queue.decoding.discard(request)
            columns.computed[request] = 0
            queue.waiting.appendleft(request)

    def _resume(self, queue: Queue, left: int, items: list[Chunk]) -> int:
        """Swapped requests first; what is left of the budget. What the cache still holds of them need not come back."""
        columns, limits = self.floor.requests, self.floor.limits
        for request in list(queue.host.queue):
            if left == 0 or len(queue.running) == limits.max_sequences:
                break
            if request in queue.awaited:  # its next token first, as below
                continue
            back = returning(request, left, columns, limits, queue.blocks)
            if back is None:
                break
            queue.host.fetch(request, len(back.hits))
            queue.running[request] = None
            queue.blocks.take(request, back.hits)
            queue.blocks.extend(request, back.cached, back.computed)
            left -= self._compute(queue, request, back.computed, min(back.rest, left), items)
        return left

    def _admit(self, queue: Queue, left: int, now: int, items: list[Chunk]) -> None:
        columns, limits = self.floor.requests, self.floor.limits
        for request in list(queue.waiting):
            if left == 0 or len(queue.running) == limits.max_sequences:
                return
            if request in queue.awaited:  # its next token first: else it would be generated twice
                continue
            known = columns.known[request]
            hits = queue.blocks.match(request, known)
            computed = len(hits) * limits.block
            rest = known - computed
            if not limits.chunked_prefill and left < rest <= limits.max_batched_tokens:
                return
            if -(-known // limits.block) - len(hits) + queue.blocks.idle(hits) > queue.blocks.free:
                return
            queue.waiting.remove(request)
            queue.running[request] = None
            if columns.scheduled_ns[request] < 0:
                columns.scheduled_ns[request] = now
                columns.cached[request] = computed
            queue.blocks.take(request, hits)
            left -= self._compute(queue, request, computed, min(rest, left), items)

    def _compute(self, queue: Queue, request: int, computed: int, new: int, items: list[Chunk]) -> int:
        queue.blocks.extend(request, computed, computed + new)
        self.floor.requests.computed[request] = computed + new
        last = computed + new == self.floor.requests.known[request]
        if last:
            queue.awaited.add(request)
        items.append(Chunk(request, new, computed, last))
        return new

    def end(self, now: int, token: int) -> int:
        """See `Instance`."""
        flight = self.flights.pop(token)
        self.blocked = NEVER
        finished = 0
        for queue, part in zip(self.queues, flight.items, strict=True):
            for item in part:
                if item.last:
                    finished += self._emit(queue, item.request, now)
        self._count()
        self.floor.agenda.post(now, START, self.index, 0)
        return finished

    def _emit(self, queue: Queue, request: int, now: int) -> int:
        columns = self.floor.requests
        queue.awaited.discard(request)
        output = columns.output[request]
        if output:
            columns.known[request] += 1
            if columns.first_ns[request] < 0:
                columns.first_ns[request] = now
            else:
                self.floor.gaps[now - columns.last_ns[request]] += 1
            columns.last_ns[request] = now
        if columns.known[request] - columns.input[request] < output:
            if request in queue.running or request in queue.host.held:
                queue.decoding.add(request)
            return 0
        self._leave(queue, request)
        columns.finish_ns[request] = now
        return 1

    def _leave(self, queue: Queue, request: int) -> None:
        if request in queue.host.held:
            queue.host.drop(request)
            queue.decoding.discard(request)
            return
        if request not in queue.running:
            queue.waiting.remove(request)
            return
        del queue.running[request]
        queue.decoding.discard(request)
        queue.blocks.release(request, self.floor.requests.computed[request])

    def _count(self) -> None:
        for rank, queue in enumerate(self.queues, self.first):
            self.floor.waiting[rank] = queue.queued
            self.floor.running[rank] = len(queue.running)
