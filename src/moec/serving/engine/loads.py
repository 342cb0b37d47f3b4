"""The load of an instance's steps, from the sums of its ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from moec.compiler.ir.batch import Load, windowed_pairs
from moec.serving.engine.decodes import Decodes
from moec.serving.engine.host_memory import HostBlocks
from moec.serving.engine.limits import NO_WINDOW, Chunk

LEAP = 4096
"""Steps given to the timer at a time, at most: bounds the memory of a leap."""

STEPS = np.arange(LEAP, dtype=float)[:, None]

Row = NDArray[np.float64]


class LoadSums:
    """Per attention-DP rank, the decoding requests' `number` `[1, dp]`, and of their contexts the sum, the maximum and
    the sum within the window `[3, 1, dp]`: at step 0 (`base`), and what each step adds (`growth`).

    A rank that computes nothing counts as one decode of one token when `dummy` (vLLM runs a dummy batch so that the
    collectives of the experts find all ranks), as nothing otherwise.
    """

    __slots__ = ("base", "dp", "dummy", "growth", "idle", "none", "number", "window")

    def __init__(self, dp: int, window: int, *, dummy: bool) -> None:
        self.dp, self.window, self.dummy = dp, window, float(dummy)
        self.none, self.number = np.zeros((1, dp)), np.zeros((1, dp))
        self.base, self.growth = np.zeros((3, 1, dp)), np.zeros((3, 1, dp))
        self.idle = [True] * dp
        for rank in range(dp):
            self._idle(rank)

    def _idle(self, rank: int) -> None:
        self.number[0, rank] = self.base[:, 0, rank] = self.dummy
        self.growth[:, 0, rank] = 0.0

    def refresh(self, index: int, decodes: Decodes) -> None:
        """Take over the sums of rank `index`."""
        count, gain = decodes.count, decodes.pace.gain
        self.idle[index] = not count
        if not count:
            self._idle(index)
            return
        within, below = decodes.key_sum, count
        if self.window < NO_WINDOW:
            within, below = decodes.below_sum + self.window * (count - decodes.below), decodes.below
        self.number[0, index] = count
        self.base[:, 0, index] = (decodes.key_sum, decodes.top_key(), within)
        self.growth[:, 0, index] = (count * gain, gain, below * gain)

    def decodes(self, step: int, count: int) -> Load:
        """The load of `count` steps from `step` on without prompts."""
        none = self.none
        total, longest, within = self.base + self.growth * (STEPS[:count] + step)
        return Load(
            chunks=none,
            chunk_tokens=none,
            pairs=none,
            chunk_kv=none,
            decodes=self.number.copy(),
            decode_kv=total,
            decode_max=longest,
            pairs_window=none,
            chunk_kv_window=none,
            decode_kv_window=within,
        )

    def mixed(self, step: int, chunks: Sequence[tuple[int, Chunk]]) -> Load:
        """The load of one step with prompt `chunks`, each with its rank."""
        load = self.decodes(step, 1)
        prompts: Row = np.zeros((6, 1, self.dp))
        number, total, longest, within = load.decodes, load.decode_kv, load.decode_max, load.decode_kv_window
        for rank in {rank for rank, _ in chunks if self.idle[rank]}:
            number[0, rank] = total[0, rank] = longest[0, rank] = within[0, rank] = 0
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
                if self.window == NO_WINDOW
                else float(windowed_pairs(np.asarray(new), np.asarray(context), self.window))
            )
            prompts[:, 0, rank] += (1, new, pairs, context + new, seen, reach)
        count, tokens, pairs_sum, kv, pairs_window, kv_window = prompts
        return Load(
            chunks=count,
            chunk_tokens=tokens,
            pairs=pairs_sum,
            chunk_kv=kv,
            decodes=number,
            decode_kv=total,
            decode_max=longest,
            pairs_window=pairs_window,
            chunk_kv_window=kv_window,
            decode_kv_window=within,
        )


def with_swaps(load: Load, hosts: Sequence[HostBlocks]) -> Load:
    """The load of one step with the blocks that move in it, of each rank; nothing is pending afterwards."""
    if not any(any(host.pending) for host in hosts):
        return load
    out, back, out_window, back_window = np.array([host.take() for host in hosts], dtype=float).T[:, None, :]
    return replace(load, swapped_out=out, swapped_in=back, swapped_out_window=out_window, swapped_in_window=back_window)
