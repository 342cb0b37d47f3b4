"""The load of an instance's steps, from the sums of its ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from moec.compiler.batch import Load, windowed_pairs
from moec.serving.scheduler import GONE, Chunk, Rank

LEAP = 4096
"""Steps given to the timer at a time, at most: bounds the memory of a leap."""

STEPS = np.arange(LEAP, dtype=float)[:, None]

Row = NDArray[np.float64]


class LoadSums:
    """Per attention-DP rank, the decoding requests' sums at step 0 and what each step adds, all `[1, dp]`.

    A rank without requests counts as one decode of one token when `dummy` (vLLM runs a dummy batch so that the
    collectives of the experts find all ranks), as nothing otherwise.
    """

    __slots__ = ("dp", "dummy", "growth", "longest", "longest_growth", "none", "number", "total", "window", "within", "within_growth")  # fmt: skip

    def __init__(self, dp: int, window: int, *, dummy: bool) -> None:
        rows = np.zeros((7, 1, dp))
        self.dp, self.window, self.dummy = dp, window, float(dummy)
        self.number, self.total, self.growth, self.longest, self.longest_growth, self.within, self.within_growth = rows
        self.none = np.zeros((1, dp))
        for rank in range(dp):
            self._idle(rank)

    def _idle(self, rank: int) -> None:
        for row in (self.number, self.total, self.longest, self.within):
            row[0, rank] = self.dummy
        for row in (self.growth, self.longest_growth, self.within_growth):
            row[0, rank] = 0.0

    def refresh(self, index: int, rank: Rank) -> None:
        """Take over the sums of rank `index`."""
        if not rank.running:
            self._idle(index)
            return
        decodes = rank.decodes
        self.number[0, index] = self.growth[0, index] = decodes
        self.total[0, index] = rank.key_sum
        self.longest[0, index] = rank.top_key() if decodes else 0
        self.longest_growth[0, index] = decodes > 0
        if self.window < GONE:
            self.within[0, index] = rank.below_sum + self.window * (decodes - rank.below)
            self.within_growth[0, index] = rank.below

    def decodes(self, step: int, count: int) -> Load:
        """The load of `count` steps from `step` on without prompts."""
        steps = STEPS[:count] + step
        none = self.none
        total = self.total + self.growth * steps
        longest = self.longest + self.longest_growth * steps
        within = total if self.window == GONE else self.within + self.within_growth * steps
        return Load(none, none, none, none, self.number.copy(), total, longest, none, none, within)

    def mixed(self, step: int, chunks: Sequence[tuple[int, Chunk]]) -> Load:
        """The load of one step with prompt `chunks`, each with its rank."""
        load = self.decodes(step, 1)
        prompts: Row = np.zeros((6, 1, self.dp))
        number, total, longest, within = load.decodes, load.decode_kv, load.decode_max, load.decode_kv_window
        if within is total:
            within = within.copy()
        for rank, chunk in chunks:
            new, context = chunk.new, chunk.context
            reach = min(context + new, self.window + new - 1)
            if new == 1:
                number[0, rank] += 1
                total[0, rank] += context + 1
                within[0, rank] += reach
                longest[0, rank] = max(longest[0, rank], context + 1)
                continue
            pairs = new * context + new * (new + 1) / 2
            seen = (
                pairs
                if self.window == GONE
                else float(windowed_pairs(np.asarray(new), np.asarray(context), self.window))
            )
            prompts[:, 0, rank] += (1, new, pairs, context + new, seen, reach)
        count, tokens, pairs_sum, kv, pairs_window, kv_window = prompts
        return Load(count, tokens, pairs_sum, kv, number, total, longest, pairs_window, kv_window, within)
