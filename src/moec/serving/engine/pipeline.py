"""An instance with pipeline stages: up to as many batches in flight as stages, each scheduled by a walk over its requests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.compiler.ir.batch import Load, RankBatch, load_of
from moec.serving.agenda import END, START
from moec.serving.engine.instance import Floor
from moec.serving.engine.limits import NO_WINDOW, Chunk
from moec.serving.engine.loads import with_swaps
from moec.serving.engine.scheduler import Scheduler
from moec.serving.records import NEVER

DUMMY = RankBatch(np.ones(1, dtype=np.int64), np.zeros(1, dtype=np.int64))


@dataclass(slots=True)
class Flight:
    """A batch in the pipeline: per attention-DP rank, what it computes."""

    items: list[list[Chunk]]


class Pipeline:
    """See `Instance`. A batch is formed when the first stage is free; chunks of one prompt may follow each other closely."""

    def __init__(self, index: int, floor: Floor) -> None:
        self.index, self.floor, self.first = index, floor, index * floor.dp
        self.queues = [floor.scheduler() for _ in range(floor.dp)]
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
        items = [queue.schedule(now) for queue in self.queues]
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
        decodes = sum(chunk.decode for part in items for chunk in part)
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
        load = load_of(tuple(batch), None if window == NO_WINDOW else window).map(lambda column: column[None, :])
        return with_swaps(load, [queue.host for queue in self.queues])

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

    def _emit(self, queue: Scheduler, request: int, now: int) -> int:
        """A token of the request comes out; returns whether it was the last, as 0 or 1."""
        if queue.emit(request, now, self.floor.gaps):
            return 0
        queue.finish(request, now)
        return 1

    def _count(self) -> None:
        for rank, queue in enumerate(self.queues, self.first):
            self.floor.waiting[rank] = queue.queued
            self.floor.running[rank] = len(queue.running)
