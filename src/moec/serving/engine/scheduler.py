"""The scheduler of one attention-DP rank: vLLM V1's rule, on sums over the decoding requests instead of a walk.

All ranks of an instance step together and every decoding request advances by one token a step. What changes with every
step is therefore stored as a constant relative to the instance's step counter: a decoding request has `key[i] + step`
tokens in step `step`, needs a block when that is 1 modulo the block size, and ends in a step known from the start.
At most one running request still has prompt left, the newest: a prompt that is cut used up the step's budget.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush

from moec.serving.engine.host_memory import HostBlocks, returning
from moec.serving.engine.kv_cache import Blocks
from moec.serving.engine.limits import GONE, Chunk, Limits
from moec.serving.records import NEVER, RequestColumns


@dataclass(slots=True)
class Rank:
    """Queues and sums of one attention-DP rank.

    `buckets[step % block]`: decoding requests that need a block in that step, oldest first; `needs`: their number,
    summed over the instance's ranks. `stamp`: decode steps before it are booked in `blocks`. `below_*`: the decoding
    requests that still fit in the attention window. `held`: running requests whose last token is under way, with the
    tokens they have in the cache. `paused`: swapped requests that were decoding.
    """

    requests: RequestColumns
    limits: Limits
    blocks: Blocks
    host: HostBlocks
    key: list[int]
    ends: list[int]
    order: list[int]
    needs: list[int]
    waiting: deque[int] = field(default_factory=deque)
    running: dict[int, None] = field(default_factory=dict)
    held: dict[int, int] = field(default_factory=dict)
    paused: set[int] = field(default_factory=set)
    partial: int = NEVER
    decodes: int = 0
    key_sum: int = 0
    below: int = 0
    below_sum: int = 0
    stamp: int = 0
    admitted: int = 0
    preempted: int = 0
    buckets: list[list[int]] = field(default_factory=list)
    longest: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """One bucket per residue of the block size."""
        self.buckets = [[] for _ in range(self.limits.block)]

    @property
    def open(self) -> bool:
        """A request that arrived now could be admitted in the next step."""
        return not self.waiting and not self.host.queue and len(self.running) < self.limits.max_sequences

    @property
    def queued(self) -> int:
        """Requests that wait to run, be it for the first time."""
        return len(self.waiting) + len(self.host.queue)

    def top_key(self) -> int:
        """The largest key of a decoding request; there is one."""
        heap = self.longest
        while self.key[heap[0][1]] != -heap[0][0]:
            heappop(heap)
        return -heap[0][0]

    def shortage(self) -> int:
        """The first step whose decodes need more blocks than are free, if nothing else happens."""
        if not self.decodes:
            return GONE
        turns, left = divmod(self.blocks.free, self.decodes)
        step = self.stamp + turns * self.limits.block
        while (need := len(self.buckets[step % self.limits.block])) <= left:
            left -= need
            step += 1
        return step

    def schedule(self, step: int, now: int, before: int) -> list[Chunk]:
        """Book the blocks of step `step` and return its prompt chunks; `preempted` counts up when blocks ran short.

        `before`: when the step before it ends.
        """
        self.settle(step)
        preempted = self.preempted
        self._decode(step, before)
        left = self.limits.max_batched_tokens - self.decodes
        chunks: list[Chunk] = []
        if self.partial >= 0:
            left -= self._continue(step, before, left, chunks)
        if preempted == self.preempted:
            left = self._resume(left, chunks)
            if not self.host.queue:
                self._admit(left, now, chunks)
        return chunks

    def settle(self, step: int) -> None:
        """Book the blocks of the decode steps before `step`."""
        if self.stamp < step:
            self.blocks.advance(self.buckets, self.stamp, step)
            self.stamp = step

    def _decode(self, step: int, before: int) -> None:
        need = self.buckets[step % self.limits.block]
        if len(need) <= self.blocks.free:
            self.settle(step + 1)
            return
        served = 0
        while served < len(need):  # the newest goes first, be it the one that asks
            if self.blocks.free:
                self.blocks.grow(need[served])
                served += 1
            else:
                self._preempt(step, before)
        self.stamp = step + 1

    def _continue(self, step: int, before: int, left: int, chunks: list[Chunk]) -> int:
        request, columns = self.partial, self.requests
        computed, known = columns.computed[request], columns.known[request]
        new = min(known - computed, left)
        block = self.limits.block
        if -(-(computed + new) // block) + (-computed // block) > self.blocks.free:
            self._preempt(step, before)
            return 0
        self._compute(request, computed, new, chunks)
        return new

    def _resume(self, left: int, chunks: list[Chunk]) -> int:
        """Swapped requests first; what is left of the budget. What the cache still holds of them need not come back."""
        columns, limits, host = self.requests, self.limits, self.host
        while host.queue and left > 0 and len(self.running) < limits.max_sequences:
            request = host.queue[0]
            back = returning(request, left, columns, limits, self.blocks)
            if back is None:
                break
            host.fetch(request, len(back.hits))
            self.running[request] = None
            self.order[request] = self.admitted = self.admitted + 1
            self.blocks.take(request, back.hits)
            self.blocks.extend(request, back.cached, back.computed)
            left -= self._compute(request, back.computed, min(back.rest, left), chunks, decode=request in self.paused)
            self.paused.discard(request)
        return left

    def _admit(self, left: int, now: int, chunks: list[Chunk]) -> None:
        columns, limits = self.requests, self.limits
        while self.waiting and left > 0 and len(self.running) < limits.max_sequences:
            request = self.waiting[0]
            known = columns.known[request]
            hits = self.blocks.match(request, known)
            computed = len(hits) * limits.block
            rest = known - computed
            if not limits.chunked_prefill and left < rest <= limits.max_batched_tokens:
                return
            if -(-known // limits.block) - len(hits) + self.blocks.idle(hits) > self.blocks.free:
                return
            self.waiting.popleft()
            self.running[request] = None
            self.order[request] = self.admitted = self.admitted + 1
            if columns.scheduled_ns[request] < 0:
                columns.scheduled_ns[request] = now
                columns.cached[request] = computed
            self.blocks.take(request, hits)
            left -= self._compute(request, computed, min(rest, left), chunks)

    def _compute(self, request: int, computed: int, new: int, chunks: list[Chunk], *, decode: bool = False) -> int:
        self.blocks.extend(request, computed, computed + new)
        self.requests.computed[request] = computed + new
        last = computed + new == self.requests.known[request]
        self.partial = NEVER if last else request
        chunks.append(Chunk(request, new, computed, last, decode))
        return new

    def _preempt(self, step: int, before: int) -> None:
        request, _ = self.running.popitem()
        columns, decoding = self.requests, False
        if request == self.partial:
            self.partial = NEVER
        elif request in self.held:
            columns.computed[request] = self.held.pop(request)
        else:
            columns.known[request] = self.key[request] + step
            columns.computed[request] = columns.known[request] - 1
            columns.last_ns[request] = before
            self._leave(request, step)
            decoding = True
        self.blocks.release(request, columns.computed[request])
        columns.preemptions[request] += 1
        self.preempted += 1
        if not self.host.store(request, columns.computed[request]):
            columns.computed[request] = 0
            self.waiting.appendleft(request)
        elif decoding:
            self.paused.add(request)

    def join(self, request: int, step: int) -> int:
        """The request, its prompt computed, decodes from `step` on; returns the last step in which it fits the window."""
        key = self.requests.known[request] - step
        self.key[request] = key
        residue = (1 - key) % self.limits.block
        self.buckets[residue].append(request)
        self.needs[residue] += 1
        self.decodes += 1
        self.key_sum += key
        heappush(self.longest, (-key, request))
        if key + step > self.limits.window:
            return NEVER
        self.below += 1
        self.below_sum += key
        return self.limits.window - key

    def outgrow(self, request: int) -> None:
        """From the next step on, the request's context is longer than the window."""
        self.below -= 1
        self.below_sum -= self.key[request]

    def stop(self, request: int, step: int) -> None:
        """The decoding request computes its last token in `step`; it keeps its blocks until that is out."""
        self.settle(step + 1)
        self.held[request] = self.key[request] + step
        self._leave(request, step)

    def drop(self, request: int) -> None:
        """The request's last token is out: it leaves, be it from where a preemption sent it meanwhile."""
        if request in self.held:
            del self.running[request]
            self.blocks.release(request, self.held.pop(request))
        elif request in self.host.held:
            self.host.drop(request)
        else:
            self.waiting.remove(request)

    def _leave(self, request: int, step: int) -> None:
        key = self.key[request]
        residue = (1 - key) % self.limits.block
        self.buckets[residue].remove(request)
        self.needs[residue] -= 1
        self.decodes -= 1
        self.key_sum -= key
        if key + step <= self.limits.window:
            self.outgrow(request)
        self.key[request] = GONE
        self.ends[request] = NEVER
