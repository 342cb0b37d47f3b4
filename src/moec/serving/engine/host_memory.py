"""The host memory behind one attention-DP rank's KV cache: whose blocks wait there, and which the next iteration moves."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

ENDLESS = 1 << 62
"""More blocks than requests ever have."""

Moves = tuple[int, int, int, int]
"""Token slots of blocks: out, in, and both in the layers that keep only the sliding window."""


@dataclass(slots=True)
class HostBlocks:
    """The blocks of swapped requests, `block` tokens each.

    `free`: blocks that still fit; there are none when preempted requests are recomputed. `window`: the most blocks of a request
    that its sliding window touches. `queue`: the swapped requests, the one that resumes first in front; `held`: how many blocks
    each of them has here. `pending`: moves that were decided and belong to the next iteration. `swapped`: how often a request
    was stored.
    """

    free: int
    block: int
    window: int
    queue: deque[int] = field(default_factory=deque)
    held: dict[int, int] = field(default_factory=dict)
    pending: Moves = (0, 0, 0, 0)
    swapped: int = 0

    def store(self, request: int, tokens: int) -> bool:
        """Take the blocks of a request with `tokens` in the cache, if they fit."""
        blocks = -(-tokens // self.block)
        if blocks > self.free:
            return False
        self.free -= blocks
        self.held[request] = blocks
        self.queue.appendleft(request)
        self.swapped += 1
        out, back, out_window, back_window = self.pending
        self.pending = (out + blocks, back, out_window + min(blocks, self.window), back_window)
        return True

    def fetch(self, request: int, kept: int) -> None:
        """Send the request's blocks back, but for the first `kept`, which the device still has."""
        blocks = max(self.drop(request) - kept, 0)
        out, back, out_window, back_window = self.pending
        self.pending = (out, back + blocks, out_window, back_window + min(blocks, self.window))

    def drop(self, request: int) -> int:
        """The request waits here no longer; how many blocks it had."""
        self.queue.remove(request)
        blocks = self.held.pop(request)
        self.free += blocks
        return blocks

    def take(self) -> Moves:
        """What the iteration that is about to run moves."""
        out, back, out_window, back_window = self.pending
        self.pending = (0, 0, 0, 0)
        return out * self.block, back * self.block, out_window * self.block, back_window * self.block
