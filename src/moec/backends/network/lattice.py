"""How much crosses each link of a ring or of a mesh, when messages take the shortest way and on a mesh rows first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from moec.arrays import Array, Ints


@dataclass(frozen=True, slots=True)
class Lattice:
    """`x` columns and `y` rows of places, row by row, each linked to its neighbours; `wraps`: one row, closed to a ring.

    On a ring of even size messages to the opposite place go half one way and half the other.
    """

    x: int
    y: int = 1
    wraps: bool = False

    @property
    def size(self) -> int:
        """Places."""
        return self.x * self.y

    @property
    def degree(self) -> int:
        """Links of a place that has neighbours on all sides."""
        return 2 if self.wraps or 1 in (self.x, self.y) else 4

    def hops(self, a: Any, b: Any) -> Array:
        """Links on the shortest way from places `a` to places `b`; the shape is what both broadcast to."""
        if self.wraps:
            around = np.abs(np.asarray(a) - np.asarray(b))
            nearer: Array = np.minimum(around, self.x - around)
            return nearer
        (ya, xa), (yb, xb) = (np.divmod(np.asarray(p), self.x) for p in (a, b))
        distance: Array = np.abs(xa - xb) + np.abs(ya - yb)
        return distance

    @property
    def links(self) -> int:
        """Directed links, in the order of `link_loads`."""
        return 2 * self.x if self.wraps else 2 * (self.y * (self.x - 1) + self.x * (self.y - 1))

    def way(self, a: int, b: int) -> list[tuple[int, float]]:
        """The links on the way from `a` to `b`, and the part of a message that takes each."""
        if self.wraps:
            ahead, n = (b - a) % self.x, self.x
            clockwise = [((a + i) % n, 1.0) for i in range(ahead)]
            back = [(n + (a - i) % n, 1.0) for i in range(n - ahead)]
            if 2 * ahead == n:
                return [(link, 0.5) for link, _ in clockwise + back]
            return clockwise if 2 * ahead < n else back
        (ya, xa), (yb, xb) = divmod(a, self.x), divmod(b, self.x)
        first = self.y * 2 * (self.x - 1)
        return _straight(ya * 2 * (self.x - 1), self.x, xa, xb) + _straight(
            first + xb * 2 * (self.y - 1), self.y, ya, yb
        )

    def snake(self, places: Ints) -> Ints:
        """`places` `[places]` in an order in which neighbours follow each other: every second row backwards."""
        row, column = np.divmod(places, self.x)
        ordered: Ints = places[np.argsort(row * self.x + np.where(row % 2, self.x - 1 - column, column), kind="stable")]
        return ordered


@dataclass(frozen=True, slots=True, eq=False)
class OuterSide:
    """One side of a traffic that is an outer product: `mean` of every place and what it adds when it is the hot one.

    Both `[…, places]`; one place is hot, and nobody knows which.
    """

    mean: Array
    extra: Array | None = None


def _straight(base: int, length: int, a: int, b: int) -> list[tuple[int, float]]:
    """Links of one line of `length` places, the first of them numbered `base`: there, then back."""
    if a <= b:
        return [(base + i, 1.0) for i in range(a, b)]
    return [(base + length - 1 + i, 1.0) for i in range(a - 1, b - 1, -1)]


def message_loads(lattice: Lattice, a: Ints, b: Ints) -> Array:
    """Messages over every link, `[links]`, when one goes from each of `a` to that of `b`."""
    load = np.zeros(lattice.links)
    for s, d in zip(a.tolist(), b.tolist(), strict=True):
        for link, part in lattice.way(s, d):
            load[link] += part
    return load


def link_loads(lattice: Lattice, matrix: Array) -> Array:
    """Bytes over every directed link, `[…, links]`, for a `matrix` of bytes from place to place, `[…, places, places]`.

    Links of a ring: clockwise from every place, then anticlockwise. Of a mesh: row by row, then column by column, those of
    each line there and then back (see `Lattice.way`).
    """
    return _ring(matrix) if lattice.wraps else _mesh(lattice, matrix)


def outer_loads(lattice: Lattice, source: OuterSide, sink: OuterSide) -> Array:
    """Bytes over every directed link, `[…, links]`, for bytes `source[a] × sink[b]` from place a to place b.

    What a hot place adds to its mean is counted on each link as if the place lay where that link carries most of it.
    """
    return _ring_outer(lattice, source, sink) if lattice.wraps else _mesh_outer(lattice, source, sink)


def _ring(matrix: Array) -> Array:
    """Links clockwise from every place, then anticlockwise."""
    n = matrix.shape[-1]
    here, loads = np.arange(n), []
    for way in (1, -1):
        load = np.zeros(matrix.shape[:-1])
        for distance in range(1, n // 2 + 1):
            going = matrix[..., here, (here + way * distance) % n] * (0.5 if 2 * distance == n else 1.0)
            load += _window(going, distance, way)
        loads.append(load)
    return np.concatenate(loads, axis=-1)


def _window(values: Array, width: int, way: int) -> Array:
    """Sums over the `width` places that end at each place, going `way` around."""
    if width == 0:
        return np.zeros_like(values)
    turned = values if way == 1 else values[..., ::-1]
    closed = np.concatenate([turned[..., turned.shape[-1] - width + 1 :], turned], axis=-1)
    upto = np.cumsum(closed, axis=-1)
    sums = upto[..., width - 1 :].copy()
    sums[..., 1:] -= upto[..., :-width]
    return sums if way == 1 else sums[..., ::-1]


def _ring_outer(lattice: Lattice, source: OuterSide, sink: OuterSide) -> Array:
    """A way back along a ring is the way out mirrored, so the hot place may stand on either side."""
    if source.extra is not None:
        source, sink = sink, source
    n, half = lattice.x, lattice.x // 2
    loads = []
    for way in (1, -1):
        load: Array = np.zeros(np.broadcast_shapes(source.mean.shape, sink.mean.shape))
        hot: Array = np.zeros_like(load)
        for distance in range(1, half + 1):
            reach = half - distance + 1
            passing = _window(source.mean, reach, way)
            if 2 * half == n:  # the farthest of them sends only half this way
                passing = passing - 0.5 * np.roll(source.mean, way * (reach - 1), axis=-1)
            load = load + np.roll(sink.mean, -way * distance, axis=-1) * passing
            if sink.extra is not None:
                hot = np.maximum(hot, np.roll(sink.extra, -way * distance, axis=-1) * passing)
        loads.append(load + hot)
    return np.concatenate(loads, axis=-1)


def _mesh(lattice: Lattice, matrix: Array) -> Array:
    x, y = lattice.x, lattice.y
    full = matrix.reshape(*matrix.shape[:-2], y, x, y, x)
    along = full.sum(axis=-2)  # [y1, x1, x2]: along row y1
    down = np.moveaxis(full.sum(axis=-3), -1, -3)  # [x2, y1, y2]: along column x2
    parts = [_line(along), _line(down)]
    return np.concatenate([p.reshape(*matrix.shape[:-2], -1) for p in parts], axis=-1)


def _line(matrix: Array) -> Array:
    """Loads of the links of lines of places, `[…, 2 (places − 1)]`, there and back, for `[…, places, places]`."""
    n = matrix.shape[-1]
    there, back = np.zeros((*matrix.shape[:-2], n - 1)), np.zeros((*matrix.shape[:-2], n - 1))
    for link in range(n - 1):
        there[..., link] = matrix[..., : link + 1, link + 1 :].sum(axis=(-2, -1))
        back[..., link] = matrix[..., link + 1 :, : link + 1].sum(axis=(-2, -1))
    return np.concatenate([there, back], axis=-1)


def _mesh_outer(lattice: Lattice, source: OuterSide, sink: OuterSide) -> Array:
    """Rows first: a link of a row carries what its row sends to columns beyond; a link of a column what all columns send."""
    shape = (lattice.y, lattice.x)
    a, ea, b, eb = (_grid(v, shape) for v in (source.mean, source.extra, sink.mean, sink.extra))
    assert a is not None and b is not None
    columns = b.sum(axis=-2, keepdims=True)
    hottest = None if eb is None else eb.max(axis=-2, keepdims=True)
    along = _line_outer(a, ea, columns, hottest)
    rows = a.sum(axis=-1, keepdims=True)
    heaviest = None if ea is None else ea.max(axis=-1, keepdims=True)
    turned = [None if v is None else np.swapaxes(v, -2, -1) for v in (rows, heaviest, b, eb)]
    assert turned[0] is not None and turned[2] is not None
    down = _line_outer(turned[0], turned[1], turned[2], turned[3])
    lead = along.shape[:-2]
    return np.concatenate([along.reshape(*lead, -1), down.reshape(*lead, -1)], axis=-1)


def _grid(values: Array | None, shape: tuple[int, int]) -> Array | None:
    return None if values is None else values.reshape(*values.shape[:-1], *shape)


def _line_outer(a: Array, ea: Array | None, b: Array, eb: Array | None) -> Array:
    """Loads of lines of places for bytes a × b, `[…, lines, 2 (places − 1)]`; lines broadcast."""
    parts = []
    for backwards in (False, True):
        views = [None if v is None else (v[..., ::-1] if backwards else v) for v in (a, ea, b, eb)]
        assert views[0] is not None and views[2] is not None
        load = (
            _upto(views[0], views[1])
            * _upto(views[2][..., ::-1], None if views[3] is None else views[3][..., ::-1])[..., ::-1]
        )
        parts.append(load[..., ::-1] if backwards else load)
    return np.concatenate(parts, axis=-1)


def _upto(values: Array, extra: Array | None) -> Array:
    """Running sums without the last place, the largest extra so far on top."""
    sums: Array = np.cumsum(values, axis=-1)[..., :-1]
    return sums if extra is None else sums + np.maximum.accumulate(extra, axis=-1)[..., :-1]
