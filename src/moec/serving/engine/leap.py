"""Iterations that an instance has under way, and how they are written down when they can no longer change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moec.arrays import Ints
from moec.compiler.ir.batch import Load
from moec.serving.engine.config import EngineConfig
from moec.serving.engine.host_time import Schedule
from moec.serving.engine.limits import Chunk
from moec.serving.records import Iteration
from moec.serving.shared import Shared


@dataclass(slots=True, kw_only=True)
class Leap:
    """Consecutive iterations of instance `index`, from step `first` on, of which `steps` will run.

    `schedule`, `load` and `device` (ns on the device, `[timed]`) are of all that were timed. `chunks`: what the only step
    computes beside decodes, with the ranks. `decodes` and `waiting`: requests when it was scheduled; `arrivals`: when more came
    that could not run before the leap was over.
    """

    index: int
    first: int
    schedule: Schedule
    load: Load
    device: Ints
    steps: int
    chunks: list[tuple[int, Chunk]]
    decodes: int
    waiting: int
    arrivals: list[int]

    def write_down(self, config: EngineConfig, shared: Shared, before: int, needs: Sequence[int], used: int) -> int:
        """Log the iterations; returns how many blocks are in use after them.

        `before`: the end of the one before; `needs`: blocks that decoding takes, by step modulo their number; `used`: blocks in
        use before the decoding of the first.
        """
        if self.steps == 1:
            used += needs[self.first % len(needs)]
            self._write_one(config, shared, max(int(self.schedule.scheduled[0]), before), used)
            return used
        ends = self.schedule.ends[: self.steps]
        start = np.maximum(self.schedule.scheduled[: self.steps], np.concatenate(([before], ends[:-1])))
        turn = (self.first + np.arange(self.steps)) % len(needs)
        after = used + np.array(needs, dtype=np.int64)[turn].cumsum()
        self._write_many(shared, start, ends, after)
        return int(after[-1])

    def _write_one(self, config: EngineConfig, shared: Shared, start: int, used: int) -> None:
        if shared.watch is not None:
            shared.watch(self.index, np.array([start]), self.load)
        end, prompt, resumed, running = int(self.schedule.ends[0]), 0, 0, self.decodes
        if self.chunks:
            resumed = sum(chunk.decode for _, chunk in self.chunks)
            prompt = sum(chunk.new for _, chunk in self.chunks) - resumed
            running += len(self.chunks)
        if resumed:
            shared.gaps[end - start] -= resumed  # theirs are longer, and counted when the tokens are out
        out, back = config.swapped_bytes(self.load)
        row = Iteration(
            instance=self.index,
            start_ns=start,
            end_ns=end,
            device_ns=int(self.device[0]),
            prefill_tokens=prompt,
            decode_tokens=self.decodes + resumed,
            running=running,
            waiting=self.waiting,
            kv_blocks_used=used,
            swapped_out_bytes=out,
            swapped_in_bytes=back,
        )
        shared.iterations.add(row)

    def _write_many(self, shared: Shared, start: Ints, ends: Ints, used: Ints) -> None:
        """Steps that only decode; `start`, `ends` and `used` `[steps]`."""
        if shared.watch is not None:
            shared.watch(self.index, start, self.load)
        scheduled = self.schedule.scheduled[: self.steps]
        came = np.searchsorted(np.array(self.arrivals, dtype=np.int64), scheduled, side="right")
        rows = Iteration(
            instance=self.index,
            start_ns=start,
            end_ns=ends,
            device_ns=self.device[: self.steps],
            prefill_tokens=0,
            decode_tokens=self.decodes,
            running=self.decodes,
            waiting=self.waiting + came,
            kv_blocks_used=used,
        )
        shared.iterations.extend(self.steps, rows)
