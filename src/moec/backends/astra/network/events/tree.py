"""The double binary tree: reduce to the root of a tree and send back down, on two trees by turns."""

from __future__ import annotations

from dataclasses import dataclass

from moec.backends.astra.network.events.stream import Algorithm, Stream
from moec.backends.astra.network.plan import Phase


@dataclass(frozen=True, slots=True)
class Place:
    """Positions of a member's parent and children, −1 where there is none."""

    parent: int
    left: int
    right: int


def place_of(position: int, size: int, root_last: bool) -> Place:
    """Where a member sits. A root with one child, a perfect tree of the others numbered from left to right.

    The root is the last position or the first; `size` is a power of two.
    """
    root = size - 1 if root_last else 0
    first = 0 if root_last else 1  # of the perfect tree
    if position == root:
        top = first + size // 2 - 1
        return Place(-1, top, -1) if root_last else Place(-1, -1, top)
    number = position - first + 1
    low = number & -number
    parent = root if number == size // 2 else first - 1 + (number - low if number & (2 * low) else number + low)
    if low == 1:
        return Place(parent, -1, -1)
    return Place(parent, position - low // 2, position + low // 2)


class Tree(Algorithm):
    """A leaf sends up and waits; an inner member reduces two children, sends up, waits, sends down; the root turns round."""

    __slots__ = ("_ring", "_role", "_size", "_state", "_stray", "_stream", "_where")

    def __init__(self, stream: Stream, phase: Phase, root_last: bool) -> None:
        self._stream, self._size = stream, phase.bytes
        self._ring = phase.ring(stream.member)
        self._where = place_of(phase.where(stream.member), phase.size, root_last)
        where = self._where
        self._role = "root" if where.parent < 0 else "leaf" if where.left < 0 and where.right < 0 else "inner"
        self._state = "begin"
        self._stray = 0

    def start(self) -> None:
        if self._role == "leaf":
            self._state = "up"
            self._stream.hand_over(self._size, False)
            return
        self._state = "two" if self._role == "inner" else "one"
        for child in (self._where.left, self._where.right):
            if child >= 0:
                self._stream.receive(self._ring[child], self._size)

    def received(self) -> None:
        if self._role == "leaf":
            self._state = "end"
            self._stream.hand_over(self._size, False, True)
            return
        first = self._state == "two"
        self._state = {"two": "one", "one": "up" if self._role == "inner" else "down", "wait": "down"}[self._state]
        self._stream.hand_over(self._size, True, True, not first)

    def proceed(self) -> None:
        if self._role == "inner" and self._stray < 1:  # the first child's reduction, which nothing waits for
            self._stray = 1
        elif self._state == "up":
            self._state = "wait"
            self._stream.send(self._ring[self._where.parent], self._size)
            self._stream.receive(self._ring[self._where.parent], self._size)
        else:
            if self._state == "down":
                for child in (self._where.left, self._where.right):
                    if child >= 0:
                        self._stream.send(self._ring[child], self._size)
            self._stream.finish()
