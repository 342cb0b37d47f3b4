"""The decoding requests of one attention-DP rank, as sums that a step leaves as they are.

All ranks of an instance step together, and every decoding request gains the same number of tokens a step. What changes with
every step is therefore stored as a constant relative to the instance's step counter: a decoding request has
`key[i] + gain · step` tokens in step `step`, needs blocks in steps known modulo a turn, and ends in a step known from the start.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush

from moec.serving.engine.kv_cache import Blocks
from moec.serving.engine.pace import Pace

NOT_DECODING = 1 << 62
"""The key of a request that does not decode."""

NO_STEP = 1 << 62
"""A step that never comes."""


@dataclass(slots=True, kw_only=True)
class Decodes:
    """The decoding requests of one rank: how many (`count`), and sums over them.

    `key`: per request of the run; `needs[step % turn]`: blocks that decoding takes in that step, over the instance's ranks;
    both belong to the instance. `buckets[step % turn]`: this rank's requests that take a block in that step, oldest first.
    `stamp`: the decode steps before it are booked in `blocks`. `below`: how many still fit in the `window`; `longest`: a heap
    of (−key, request) that may hold requests which have left.
    """

    pace: Pace
    window: int
    blocks: Blocks
    key: list[int]
    needs: list[int]
    count: int = 0
    key_sum: int = 0
    below: int = 0
    below_sum: int = 0
    stamp: int = 0
    buckets: list[list[int]] = field(default_factory=list)
    longest: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """One bucket per step of a turn."""
        self.buckets = [[] for _ in self.needs]

    def tokens(self, request: int, step: int) -> int:
        """Tokens that the decoding request has in step `step`, those which it computes there included."""
        return self.key[request] + self.pace.gain * step

    def top_key(self) -> int:
        """The largest key of a decoding request; there is one."""
        heap = self.longest
        while self.key[heap[0][1]] != -heap[0][0]:
            heappop(heap)
        return -heap[0][0]

    def needing(self, step: int) -> list[int]:
        """The requests that take a block in step `step`, oldest first."""
        return self.buckets[step % self.pace.turn]

    def shortage(self) -> int:
        """The first step whose decodes need more blocks than are free, if nothing else happens."""
        if not self.count:
            return NO_STEP
        buckets, turn = self.buckets, self.pace.turn
        turns, left = divmod(self.blocks.free, self.count * self.pace.blocks)
        step = self.stamp + turns * turn
        while (need := len(buckets[step % turn])) <= left:
            left -= need
            step += 1
        return step

    def settle(self, step: int) -> None:
        """Book the blocks of the decode steps before `step`."""
        if self.stamp < step:
            self.blocks.advance(self.buckets, self.stamp, step)
            self.stamp = step

    def join(self, request: int, step: int, known: int) -> int:
        """The request, `known` tokens long, decodes from `step` on; returns the last step in which it fits in the window."""
        gain = self.pace.gain
        key = known - gain * step
        self.key[request] = key
        for residue in self.pace.needing(key):
            self.buckets[residue].append(request)
            self.needs[residue] += 1
        self.count += 1
        self.key_sum += key
        heappush(self.longest, (-key, request))
        if known <= self.window:
            self.below += 1
            self.below_sum += key
        return (self.window - key) // gain

    def outgrow(self, request: int) -> None:
        """From the next step on, the request's context is longer than the window."""
        self.below -= 1
        self.below_sum -= self.key[request]

    def leave(self, request: int, step: int) -> None:
        """The request decodes no longer in step `step`."""
        key = self.key[request]
        for residue in self.pace.needing(key):
            self.buckets[residue].remove(request)
            self.needs[residue] -= 1
        self.count -= 1
        self.key_sum -= key
        if self.tokens(request, step) <= self.window:
            self.outgrow(request)
        self.key[request] = NOT_DECODING
