"""The time of a batch's attention from a measured grid, which knows one prompt chunk and even contexts only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.profile.grid import Grid, Point
from moec.compiler.costs.profile.skew import Skew
from moec.compiler.ir.estimate import EXTRAPOLATED, INTERPOLATED, MEASURED, Beyond, Evidence
from moec.compiler.ir.kernels import Attention


class Batch(NamedTuple):
    """A kernel as the grid sees it. `chunk`, `cached`, `decodes`, `context` as in `Point`; arrays of one shape.

    `stretch`: what the prompt's own time is multiplied by where no single chunk within the grid has its query–key pairs
    (1 where one has); `mean_chunk`: tokens of a chunk, on average; `longest`: the longest context.
    """

    chunk: Array
    cached: Array
    decodes: Array
    context: Array
    longest: Array
    stretch: Array
    mean_chunk: Array

    @property
    def point(self) -> Point:
        """In the grid."""
        return Point(self.chunk, self.cached, self.decodes, self.context)


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredAttention:
    """A grid with what uneven contexts add; `skew` is None when that was not measured, and they add nothing."""

    grid: Grid
    skew: Skew | None

    def time_ns(self, kernel: Attention) -> tuple[Array, Batch]:
        """The time, 0 without work, and the batch it was taken for."""
        b = batch_of(kernel, self.grid)
        even = self.grid.at(b.point)
        time = even + self._stretched(b) if (b.stretch != 1).any() else even
        if (b.longest > b.context).any():
            time = time + np.where(b.decodes > 1, self._uneven(b, even), 0.0)
        return time, b

    def _uneven(self, b: Batch, even: Array) -> Array:
        """What contexts of unlike lengths take more than as many of their mean.

        No schedule of them ends later than an even one by more than the longest walk is longer (Graham 1966). Beside a
        prompt it does: FlashAttention hands out its tiles head by head and within a head request by request, so the
        longest context is among the last of them (`flash_fwd_launch_template.h`: the grid is blocks, batch, heads). Decode
        tokens alone share the walk of a long context out, and what is left of it was fitted: `skew_fit.csv`. Its shares
        beside prompts are of no use: of times at which all contexts are as long and have left the cache, from two to
        eight samples each, one in seven of them negative.
        """
        walk = self._walk(b.longest) - self._walk(b.context)
        if self.skew is None:
            return np.where(b.chunk > 0, walk, 0.0)
        slowest = self.grid.at(b.point._replace(context=b.longest))
        share = self.skew.share(b.chunk, b.cached, b.decodes, b.context, b.longest)
        fitted = np.minimum(share * np.maximum(slowest - even, 0), walk)
        return np.where(b.chunk > 0, walk, fitted)

    def _walk(self, context: Array) -> Array:
        """What one block of threads takes to walk along one context: alone beside a short prompt, it is not split."""
        one = np.ones_like(context)
        return self.grid.at(Point(one, np.zeros_like(context), one, context))

    def _stretched(self, b: Batch) -> Array:
        """What several prompts, or a prompt beyond the grid, take more (or less) than the one chunk they were taken for.

        All above the shortest chunk's time is in proportion to pairs; several chunks take no less than one of them.
        """
        none = np.zeros_like(b.decodes)
        alone = self.grid.at(Point(b.chunk, b.cached, none, none))
        start = self.grid.at(Point(np.ones_like(b.chunk), none, none, none))
        one = self.grid.at(Point(b.mean_chunk, none, none, none))
        changed = start + (alone - start) * b.stretch
        changed = np.where(b.stretch < 1, np.maximum(changed, one), changed)
        return np.where((b.chunk > 0) & (b.stretch != 1), changed - alone, 0.0)

    def evidence(self, b: Batch) -> Evidence:
        """How each time is founded: measured are single chunks and even contexts at a point of the grid."""
        plain = (b.stretch == 1) & ((b.decodes <= 1) | (b.longest == b.context)) & (b.mean_chunk == b.chunk)
        far = self.grid.outside(b.point) | (b.stretch > 1) | (b.decodes > 0) & (b.longest > self.grid.context[-1])
        level = np.where(far, EXTRAPOLATED, np.where(plain & self.grid.measured(b.point), MEASURED, INTERPOLATED))
        grid, mixed = self.grid, b.chunk > 0
        return Evidence(
            level,
            (
                Beyond("prompt tokens", float(grid.chunk[-1]), b.chunk * np.maximum(b.stretch, 1)),
                Beyond("tokens cached before a prompt", float(grid.cached[-1]), np.where(mixed, b.cached, 0)),
                Beyond("decode tokens", float(grid.decodes[-1]), b.decodes),
                Beyond("decode tokens beside a prompt", grid.most_decodes(), np.where(mixed, b.decodes, 0)),
                Beyond("context of decode tokens", float(grid.context[-1]), np.where(b.decodes > 0, b.longest, 0)),
            ),
        )


def batch_of(kernel: Attention, grid: Grid) -> Batch:
    """The one chunk and the even contexts that a kernel's sums stand for.

    Chunks together become one chunk of all their tokens, after as many cached tokens as give it their query–key pairs.
    Where even a chunk after none has more pairs (several prompts that begin), its time is stretched by the ratio; so it
    is for a chunk longer than the grid's longest, which stands for it at the same keys per query. The grid counts tokens
    that are in the cache before the step, kernels count the new token too.
    """
    names = (kernel.chunks, kernel.chunk_tokens, kernel.pairs, kernel.decodes, kernel.decode_kv, kernel.decode_max)
    chunks, tokens, pairs, decodes, total, longest = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in names))
    chunk = np.minimum(tokens, grid.chunk[-1])
    keys = pairs / np.maximum(tokens, 1)
    alone = (chunk + 1) / 2
    cached = np.maximum(keys - alone, 0)
    stretch = np.where(tokens > 0, np.minimum(keys / alone, 1) * tokens / np.maximum(chunk, 1), 1.0)
    context = np.maximum(total / np.maximum(decodes, 1) - 1, 0)
    return Batch(
        chunk, cached, decodes, context, np.maximum(longest - 1, context), stretch, tokens / np.maximum(chunks, 1)
    )
