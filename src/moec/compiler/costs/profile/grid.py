"""A measured grid of attention times: filled where it has gaps, looked up at any number of batches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.profile.axis import Place, fill_lines, on_point, place_on
from moec.compiler.costs.profile.monotone import between


class Point(NamedTuple):
    """Arrays of one shape: a prompt chunk after `cached` tokens beside `decodes` decode tokens of `context` tokens each."""

    chunk: Array
    cached: Array
    decodes: Array
    context: Array


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Times in nanoseconds `[chunk, cached, decodes, context]`; a first point of 0 stands for no prompt or no decode.

    `known`: measured cells. `beyond`: cells that lie outside the measured ones.
    """

    chunk: Array
    cached: Array
    decodes: Array
    context: Array
    times: Array
    known: Array
    beyond: Array

    @classmethod
    def of(cls, rows: Array) -> Grid:
        """From rows `[n, 5]` of prefill_chunk, kv_prefill, n_decode, kv_decode and nanoseconds.

        The published grids are two interleaved ones, and the second begins at longer contexts, so most cells between a
        point of one and a point of the other are gaps. They are filled linearly between measured cells, first along the
        contexts, then along cached tokens, decode tokens and chunks. Only then are the cells outside the measured ones of
        their line continued.
        """
        axes = [np.unique(rows[:, i]) for i in range(4)]
        times = np.full(tuple(map(len, axes)), np.nan)
        times[tuple(np.searchsorted(axis, rows[:, i]) for i, axis in enumerate(axes))] = rows[:, 4]
        known = np.isfinite(times)
        _spread(times, known)
        outside = np.zeros(times.shape, bool)
        for extrapolate in (False, True):
            for axis in (3, 1, 2, 0):
                _fill(times, outside, axes[axis], axis, extrapolate=extrapolate)
        return cls(axes[0], axes[1], axes[2], axes[3], times, known, outside)._refined()

    def _refined(self) -> Grid:
        """With more numbers of decode tokens, between those measured.

        They double from one to the next, and in the prompt kernel the first ones come for free while the device is not
        full: the chord of such a bend lies above it. A monotone cubic follows it; looked up linearly in quarters.
        """
        start = int(self.decodes[0] == 0)
        points = self.decodes[start:]
        if len(points) < 3:
            return self
        fine = np.unique(
            np.rint(np.concatenate([points, *(points[:-1] + np.diff(points) * x for x in (0.25, 0.5, 0.75))]))
        )
        upper = np.searchsorted(points, fine) + start
        old = np.isin(fine, points)
        times = between(points, np.moveaxis(self.times[:, :, start:], 2, -1), fine)
        parts = {
            "times": np.where(old[:, None], self.times[:, :, upper], np.moveaxis(times, -1, 2)),
            "known": self.known[:, :, upper] & old[:, None],
            "beyond": self.beyond[:, :, upper],
        }
        joined = {f: np.concatenate((getattr(self, f)[:, :, :start], part), axis=2) for f, part in parts.items()}
        return replace(self, decodes=np.concatenate((self.decodes[:start], fine)), **joined)

    def at(self, p: Point) -> Array:
        """The times, linear along every axis; 0 where there is neither a prompt nor a decode token."""
        if not p.chunk.any():
            return self._decodes(p)
        chunk, cached, decodes, context = self._places(p)
        rows, columns = len(self.cached), len(self.context)
        first = _corners(chunk, rows) + _corners(cached, 1)[:, None]
        second = _corners(decodes, columns) + _corners(context, 1)[:, None]
        shape = (2, 2, 2, 2, *np.broadcast_shapes(first.shape[2:], second.shape[2:]))
        index = np.broadcast_to(first[:, :, None, None] * (len(self.decodes) * columns) + second, shape)
        found: Array = self.times.ravel()[index]
        for place in (cached, chunk, context, decodes):
            found = found[0] + place.share * (found[1] - found[0])
        return np.where((p.chunk > 0) | (p.decodes > 0), found, 0.0)

    def _decodes(self, p: Point) -> Array:
        """As `at`, without a prompt anywhere."""
        decodes, context = _counted(self.decodes, p.decodes), self._context(p)
        index = _corners(decodes, len(self.context)) + _corners(context, 1)[:, None]
        found: Array = self.times[0, 0].ravel()[index]
        found = found[0] + context.share * (found[1] - found[0])
        found = found[0] + decodes.share * (found[1] - found[0])
        return found

    def _places(self, p: Point) -> tuple[Place, Place, Place, Place]:
        return (
            _counted(self.chunk, p.chunk),
            place_on(self.cached, np.where(p.chunk > 0, p.cached, 0)),
            _counted(self.decodes, p.decodes),
            self._context(p),
        )

    def _context(self, p: Point) -> Place:
        """A decode token has something to attend to: at least the least context measured."""
        return _counted(self.context, np.where(p.decodes > 0, np.maximum(p.context, 1), 0))

    def measured(self, p: Point) -> Array:
        """Whether each batch is a measured cell."""
        cached, context = np.where(p.chunk > 0, p.cached, 0), np.where(p.decodes > 0, p.context, 0)
        pairs = ((self.chunk, p.chunk), (self.cached, cached), (self.decodes, p.decodes), (self.context, context))
        on = np.logical_and.reduce([on_point(points, values) for points, values in pairs])
        cell = tuple(np.clip(np.searchsorted(points, values), 0, len(points) - 1) for points, values in pairs)
        hit: Array = on & self.known[cell]
        return hit

    def outside(self, p: Point) -> Array:
        """Whether each batch lies beyond what was measured."""
        chunk, cached, decodes, context = (x for x in self._places(p))
        far = (p.chunk > self.chunk[-1]) | (p.decodes > self.decodes[-1])
        far |= (p.chunk > 0) & (p.cached > self.cached[-1]) | (p.decodes > 0) & (p.context > self.context[-1])
        corner = self.beyond[chunk.high, cached.high, decodes.high, context.high]
        result: Array = far | corner & ((p.chunk > 0) | (p.decodes > 0))
        return result

    def most_decodes(self) -> float:
        """The most decode tokens that were measured beside a prompt chunk."""
        beside = self.known[1:].any(axis=(0, 1, 3))
        return float(self.decodes[beside][-1]) if beside.any() else 0.0


def _counted(points: Array, counts: Array) -> Place:
    """As `place_on`, with 0 apart: half a chunk is not halfway to no prompt."""
    if points[0] != 0:
        return place_on(points, counts)
    low, high, share = place_on(points[1:], counts)
    some = counts > 0
    return Place(np.where(some, low + 1, 0), np.where(some, high + 1, 0), np.where(some, share, 0.0))


def _corners(place: Place, stride: int) -> Array:
    """`[2, …]`: the offsets of the two points."""
    corners: Array = np.array((place.low, place.high)) * stride
    return corners


def _spread(times: Array, known: Array) -> None:
    """Without a prompt nothing is cached before it, without decode tokens they have no context: one time for all."""
    times[0] = times[0, :1]
    times[:, :, 0] = times[:, :, 0, :1]
    times[0, :, 0] = 0.0


def _fill(times: Array, outside: Array, points: Array, axis: int, *, extrapolate: bool) -> None:
    """Fills gaps along one axis, in place; a point of 0 stands apart, but for tokens cached before a prompt."""
    first = 0 if axis == 1 or points[0] != 0 else 1
    lines, flags = np.moveaxis(times, axis, -1)[..., first:], np.moveaxis(outside, axis, -1)[..., first:]
    flat, marks = lines.reshape(-1, lines.shape[-1]), flags.reshape(-1, lines.shape[-1])
    patterns, which = np.unique(np.packbits(np.isnan(flat), axis=-1), axis=0, return_inverse=True)
    for pattern in range(len(patterns)):
        members = which.ravel() == pattern
        group = flat[members]
        if not np.isnan(group[0]).any() or np.isnan(group[0]).all():
            continue
        filled, beyond = fill_lines(points[first:], group)
        before = np.cumsum(~np.isnan(group[0])) == 0
        take = np.isnan(group[0]) & (extrapolate | ~(beyond | before))
        flat[members] = np.where(take, filled, group)
        marks[members] |= take & beyond
    lines[...], flags[...] = flat.reshape(lines.shape), marks.reshape(lines.shape)
