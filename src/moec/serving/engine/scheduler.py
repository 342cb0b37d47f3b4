"""The scheduling rule of one attention-DP rank: who computes what in a step, and who makes room for it.

Read from vLLM 0.19.0, `v1/core/sched/scheduler.py` (`schedule`), but for swapping, which is V0's (docs/serving.md). An engine
that walks over all running requests uses `schedule` as it is; one that keeps sums of them walks over those that are left.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from moec.serving.engine.host_memory import HostBlocks
from moec.serving.engine.kv_cache import Blocks
from moec.serving.engine.limits import Chunk, Limits
from moec.serving.records import RequestColumns


class Start(NamedTuple):
    """How a queued request would begin to run.

    `hits`: its blocks that the cache still holds, of `cached` tokens; `computed`: its tokens in the cache once swapped blocks are
    back, too; `rest`: tokens that are left to compute.
    """

    hits: list[int]
    cached: int
    computed: int
    rest: int


@dataclass(slots=True, kw_only=True)
class Scheduler:
    """The requests of one attention-DP rank, by what they are doing.

    `waiting`: those without a computed token that counts, the next one first (swapped ones are in `host.queue`);
    `running`: those with blocks on the device, oldest first, numbered by admission. `awaited`: requests whose next token is
    being computed. `decoding`: running and swapped requests past their prompt. `admitted`: how often a request began to run.
    `preempted`: requests that the latest step preempted.
    """

    requests: RequestColumns
    limits: Limits
    blocks: Blocks
    host: HostBlocks
    waiting: deque[int] = field(default_factory=deque)
    running: dict[int, int] = field(default_factory=dict)
    awaited: set[int] = field(default_factory=set)
    decoding: set[int] = field(default_factory=set)
    admitted: int = 0
    preempted: int = 0

    @property
    def queued(self) -> int:
        """Requests that do not run: waiting and swapped ones."""
        return len(self.waiting) + len(self.host.queue)

    def schedule(self, now: int) -> list[Chunk]:
        """What the step that is scheduled at `now` computes."""
        self.preempted = 0
        return self.fill(list(self.running), self.limits.max_batched_tokens, now)

    def fill(self, running: Sequence[int], budget: int, now: int) -> list[Chunk]:
        """Spend `budget` tokens: on the `running` requests given, oldest first, then on those that wait for a place.

        Swapped requests come before waiting ones, and nobody begins to run in a step that preempts.
        """
        chunks: list[Chunk] = []
        budget = self._continue(running, budget, chunks)
        if not self.preempted:
            budget = self._admit(self.host.queue, budget, now, chunks)
            if not self.host.queue:
                self._admit(self.waiting, budget, now, chunks)
        return chunks

    def _continue(self, running: Sequence[int], budget: int, chunks: list[Chunk]) -> int:
        """Running requests compute what is known and not computed; returns the budget that is left."""
        columns = self.requests
        for request in running:
            if budget == 0 or request not in self.running:  # the newest are preempted first: no later one runs, either
                break
            computed = columns.computed[request]
            new = min(columns.known[request] - computed, budget)
            if new == 0:
                continue
            while request in self.running and self._growth(computed, new) > self.blocks.free:
                self.preempt()
            if request in self.running:
                self._compute(request, computed, new, chunks)
                budget -= new
        return budget

    def _growth(self, computed: int, new: int) -> int:
        """Blocks that a request with `computed` tokens in the cache needs for `new` more."""
        block = self.limits.block
        return -(-(computed + new) // block) + (-computed // block)

    def _admit(self, queue: deque[int], budget: int, now: int, chunks: list[Chunk]) -> int:
        """Requests of `queue` begin to run until one does not fit; returns the budget that is left."""
        position = 0
        while position < len(queue) and budget > 0 and len(self.running) < self.limits.max_sequences:
            request = queue[position]
            if request in self.awaited:  # its next token first: else it would be generated twice
                position += 1
                continue
            start = self._start(request, budget)
            if start is None:
                break
            if request in self.host.held:
                self.host.fetch(request, len(start.hits))
            else:
                del queue[position]
            self._run(request, start, now)
            new = min(start.rest, budget)
            self._compute(request, start.computed, new, chunks)
            budget -= new
        return budget

    def _start(self, request: int, budget: int) -> Start | None:
        """How the queued request would begin; None if the cache has no room for all that is known of it, or the budget none
        for a prompt that may not be cut.
        """
        limits, known = self.limits, self.requests.known[request]
        hits = self.blocks.match(request, known)
        cached = len(hits) * limits.block
        computed = max(self.requests.computed[request], cached)
        rest = known - computed
        if not limits.chunked_prefill and budget < rest <= limits.max_batched_tokens:
            return None
        if -(-known // limits.block) - len(hits) + self.blocks.idle(hits) > self.blocks.free:
            return None
        return Start(hits, cached, computed, rest)

    def _run(self, request: int, start: Start, now: int) -> None:
        self.admitted += 1
        self.running[request] = self.admitted
        if self.requests.scheduled_ns[request] < 0:
            self.requests.scheduled_ns[request] = now
            self.requests.cached[request] = start.cached
        self.blocks.take(request, start.hits)
        self.blocks.extend(request, start.cached, start.computed)

    def _compute(self, request: int, computed: int, new: int, chunks: list[Chunk]) -> None:
        after = computed + new
        self.blocks.extend(request, computed, after)
        self.requests.computed[request] = after
        last = after == self.requests.known[request]
        if last:
            self.awaited.add(request)
        chunks.append(Chunk(request, new, computed, last, request in self.decoding))

    def preempt(self) -> None:
        """The newest running request gives its blocks back, even if it is being computed; a token under way still counts."""
        request, _ = self.running.popitem()
        self.settle_request(request)
        columns = self.requests
        self.preempted += 1
        columns.preemptions[request] += 1
        self.blocks.release(request, columns.computed[request])
        if not self.host.store(request, columns.computed[request]):
            self.decoding.discard(request)
            columns.computed[request] = 0
            self.waiting.appendleft(request)

    def settle_request(self, request: int) -> None:
        """Before a preemption: bring what is known and computed of the request up to date where it is kept as a sum."""

    def emit(self, request: int, now: int, gaps: Counter[int]) -> int:
        """All that was known of the request is computed, so a token of it comes out; returns how many are still to come."""
        self.awaited.discard(request)
        rest = self.requests.emit(request, now, gaps)
        if rest and (request in self.running or request in self.host.held):
            self.decoding.add(request)
        return rest

    def finish(self, request: int, now: int) -> None:
        """The request's last token is out: it leaves, from wherever a preemption has sent it meanwhile."""
        self.requests.finish_ns[request] = now
        self.decoding.discard(request)
        if request in self.running:
            del self.running[request]
            self.blocks.release(request, self.requests.computed[request])
        elif request in self.host.held:
            self.host.drop(request)
        else:
            self.waiting.remove(request)
