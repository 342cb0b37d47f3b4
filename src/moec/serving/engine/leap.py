"""Iterations that an instance has under way, and how they are written down when they can no longer change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moec.arrays import Ints
from moec.compiler.ir.batch import Load
from moec.serving.engine.host_time import Course
from moec.serving.engine.instance import Floor
from moec.serving.engine.limits import Chunk


@dataclass(slots=True)
class Leap:
    """Of the timed iterations `steps` will run; `arrivals`: requests that came meanwhile, in vain.

    `chunks` are those of the only step, with their ranks; `decodes` and `waiting`: requests when it was scheduled.
    """

    clock: Course
    load: Load
    device: Ints
    steps: int
    chunks: list[tuple[int, Chunk]]
    decodes: int
    waiting: int
    arrivals: list[int]

    def write_down(self, floor: Floor, index: int, first: int, before: int, needs: Sequence[int], used: int) -> int:
        """Log the iterations of instance `index` from step `first` on; returns how many blocks are in use after them.

        `before`: the end of the one before; `needs`: blocks that decoding takes, by step modulo their number; `used`:
        blocks in use before the decoding of the first.
        """
        steps, turn = self.steps, len(needs)
        ends, device, scheduled = self.clock.ends[:steps], self.device[:steps], self.clock.scheduled[:steps]
        start = np.maximum(scheduled, np.concatenate(([before], ends[:-1])))
        if floor.watch is not None:
            floor.watch(index, start, self.load)
        resumed = sum(chunk.decode for _, chunk in self.chunks)
        prompt = sum(chunk.new for _, chunk in self.chunks) - resumed
        sequences = self.decodes + len(self.chunks)
        if steps == 1:
            used += needs[first % turn]
            if resumed:
                floor.gaps[int(ends[0] - start[0])] -= resumed  # theirs are longer, and counted when the tokens are out
            floor.iterations.add(
                index, int(start[0]), int(ends[0]), int(device[0]), prompt, self.decodes + resumed, sequences,
                self.waiting, used, *floor.swapped_bytes(self.load),
            )  # fmt: skip
            return used
        waiting = self.waiting + np.searchsorted(np.array(self.arrivals, dtype=np.int64), scheduled, side="right")
        within = (first + np.arange(steps)) % turn
        after = used + np.array(needs, dtype=np.int64)[within].cumsum()
        floor.iterations.extend(
            steps, index, start, ends, device, prompt, self.decodes, sequences, waiting, after, 0, 0
        )
        return int(after[-1])
