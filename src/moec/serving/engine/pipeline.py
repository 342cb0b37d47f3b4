"""An instance with pipeline stages: up to as many batches in flight as stages, each scheduled by a walk over its requests."""

from __future__ import annotations

import numpy as np

from moec.compiler.ir.batch import Load, RankBatch, load_of
from moec.serving.agenda import END, START
from moec.serving.engine.config import EngineConfig
from moec.serving.engine.limits import NO_WINDOW, Chunk
from moec.serving.engine.loads import with_swaps
from moec.serving.engine.scheduler import Scheduler
from moec.serving.records import NEVER, Iteration
from moec.serving.shared import Shared

DUMMY = RankBatch(np.ones(1, dtype=np.int64), np.zeros(1, dtype=np.int64))


class Pipeline:
    """See `Instance`. A batch is formed when the first stage is free; chunks of one prompt may follow each other closely.

    `flights`: batches under way by token, each what the ranks compute. `host`: when it is done with the latest batch; `blocked`:
    when nothing could be scheduled.
    """

    def __init__(self, index: int, config: EngineConfig, shared: Shared) -> None:
        self.index, self.config, self.shared = index, config, shared
        self.first, self.pp = shared.queues.firsts[index], config.layout.pp
        self.ranks = [config.scheduler(shared) for _ in range(config.layout.dp)]
        self.stage_free = [0] * self.pp
        self.flights: dict[int, list[list[Chunk]]] = {}
        self.token, self.host, self.blocked = 0, 0, NEVER

    @property
    def swapped(self) -> int:
        """See `Instance`."""
        return sum(rank.host.swapped for rank in self.ranks)

    def arrive(self, request: int, rank: int, now: int) -> None:
        """See `Instance`."""
        self.ranks[rank].waiting.append(request)
        self._count()
        if len(self.flights) < self.pp and now >= self.stage_free[0]:
            self.shared.agenda.post(now, START, self.index, 0)

    def start(self, now: int, token: int, horizon: int | None) -> None:
        """See `Instance`."""
        if len(self.flights) >= self.pp or now < self.stage_free[0] or now == self.blocked:
            return
        items = [rank.schedule(now) for rank in self.ranks]
        self._count()
        if not any(items):
            self.blocked = now  # a second start at this time must not resume what the first one preempted
            return
        self.token += 1
        self.flights[self.token] = items
        sequences = max(map(len, items))
        end = self._travel(now, items, self.config.host.spent(sequences))
        self.shared.agenda.post(end, END, self.index, self.token)
        self.shared.agenda.post(self.stage_free[0], START, self.index, 0)

    def _travel(self, now: int, items: list[list[Chunk]], spent: int) -> int:
        """Send the batch through the stages; the host's time delays the first. Returns when the batch is back.

        An asynchronous host is at work on it since it was done with the batch before, unless there was none under way.
        """
        load = self._load(items)
        times = self.config.timer.times(load)
        if self.shared.watch is not None:
            self.shared.watch(self.index, np.array([now]), load)
        since = self.host if self.config.host.asynchronous and len(self.flights) > 1 else now
        self.host = max(now, since + spent)
        end = self.host + self.config.host.gap_ns
        for stage, held in enumerate(times.stage_ns[0].tolist()):
            end = max(end, self.stage_free[stage]) + held
            self.stage_free[stage] = end
        self._write_down(now, end, int(times.latency_ns[0]), items, load)
        return end

    def _write_down(self, start: int, end: int, device: int, items: list[list[Chunk]], load: Load) -> None:
        chunks = [chunk for part in items for chunk in part]
        decodes = sum(chunk.decode for chunk in chunks)
        out, back = self.config.swapped_bytes(load)
        row = Iteration(
            instance=self.index,
            start_ns=start,
            end_ns=end,
            device_ns=device,
            prefill_tokens=sum(chunk.new for chunk in chunks) - decodes,
            decode_tokens=decodes,
            running=len(chunks),
            waiting=sum(rank.queued for rank in self.ranks),
            kv_blocks_used=sum(self.config.kv_cache.blocks - rank.blocks.free for rank in self.ranks),
            swapped_out_bytes=out,
            swapped_in_bytes=back,
        )
        self.shared.iterations.add(row)

    def _load(self, items: list[list[Chunk]]) -> Load:
        batch = [
            RankBatch(
                np.array([c.new for c in part], dtype=np.int64), np.array([c.context for c in part], dtype=np.int64)
            )
            for part in items
        ]
        if self.config.dummy and len(items) > 1:
            batch = [one if len(one.new) else DUMMY for one in batch]
        window = self.config.limits.window
        load = load_of(tuple(batch), None if window == NO_WINDOW else window).map(lambda column: column[None, :])
        return with_swaps(load, [rank.host for rank in self.ranks])

    def end(self, now: int, token: int) -> int:
        """See `Instance`."""
        self.blocked = NEVER
        finished = 0
        for rank, part in zip(self.ranks, self.flights.pop(token), strict=True):
            for item in part:
                if item.last:
                    finished += self._emit(rank, item.request, now)
        self._count()
        self.shared.agenda.post(now, START, self.index, 0)
        return finished

    def _emit(self, rank: Scheduler, request: int, now: int) -> int:
        """A token of the request comes out; returns whether it was the last, as 0 or 1."""
        if rank.emit(request, now, self.shared.gaps):
            return 0
        rank.finish(request, now)
        return 1

    def _count(self) -> None:
        queues = self.shared.queues
        for queue, rank in enumerate(self.ranks, self.first):
            queues.waiting[queue] = rank.queued
            queues.running[queue] = len(rank.running)
