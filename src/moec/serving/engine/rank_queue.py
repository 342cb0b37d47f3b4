"""One attention-DP rank in lockstep: its decoding requests are sums, the rule walks over what is not a pure decode."""

from __future__ import annotations

from dataclasses import dataclass

from moec.serving.engine.decodes import NOT_DECODING, Decodes
from moec.serving.engine.limits import Chunk
from moec.serving.engine.scheduler import Scheduler

NO_REQUEST = -1


@dataclass(slots=True, kw_only=True)
class RankQueue(Scheduler):
    """A scheduler that walks over one running request at most: `partial`, the one with prompt left.

    It is the newest, since a prompt that is cut used up the step's budget. `step`: the one that is scheduled, `before`: when
    the one before it ends. Other running requests decode, or compute their last token.
    """

    decodes: Decodes
    partial: int = NO_REQUEST
    step: int = 0
    before: int = 0

    @property
    def open(self) -> bool:
        """A request that arrived now could be admitted in the next step."""
        return not self.waiting and not self.host.queue and len(self.running) < self.limits.max_sequences

    def schedule_step(self, step: int, now: int, before: int) -> list[Chunk]:
        """Book the blocks of the decodes of step `step`; returns what it computes beside them."""
        self.preempted, self.step, self.before = 0, step, before
        self.decodes.settle(step)
        self._decode()
        running = () if self.partial == NO_REQUEST else (self.partial,)
        chunks = self.fill(running, self.limits.max_batched_tokens - self.decodes.count, now)
        self.partial = next((chunk.request for chunk in chunks if not chunk.last), NO_REQUEST)
        return chunks

    def _decode(self) -> None:
        need = self.decodes.needing(self.step)
        if len(need) <= self.blocks.free:
            self.decodes.settle(self.step + 1)
            return
        served = 0
        while served < len(need):  # the newest makes room, even if it is the one that asks
            if self.blocks.free:
                self.blocks.grow(need[served])
                served += 1
            else:
                self.preempt()
        self.decodes.stamp = self.step + 1

    def settle_request(self, request: int) -> None:
        """See `Scheduler`."""
        if request == self.partial:
            self.partial = NO_REQUEST
        if self.decodes.key[request] == NOT_DECODING:
            return
        columns = self.requests
        columns.known[request] = self.decodes.tokens(request, self.step)
        columns.computed[request] = self.decodes.tokens(request, self.step - 1)
        columns.last_ns[request] = self.before
        self.decodes.leave(request, self.step)

    def stop(self, request: int, step: int) -> None:
        """The decoding request computes its last token in `step`; it keeps its blocks until that is out."""
        self.decodes.settle(step + 1)
        self.requests.computed[request] = self.decodes.tokens(request, step)
        self.decodes.leave(request, step)
