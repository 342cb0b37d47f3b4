"""A GNU `unordered_set` of whole numbers: in which order it is walked through after insertions and removals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from moec.backends.astra.network.custom.issue_order import BUCKETS


class HashTable:
    """A key goes to the front of the list, or of its bucket if that holds keys already; growing inserts all anew."""

    __slots__ = ("_buckets", "_count", "_size", "_step")

    def __init__(self, keys: Iterable[int] = ()) -> None:
        self._buckets: dict[int, list[int]] = {}
        self._count = self._size = 0
        self._step = 0
        for key in keys:
            self.add(key)

    def __iter__(self) -> Iterator[int]:
        return iter([key for bucket in reversed(self._buckets.values()) for key in reversed(bucket)])

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: int) -> bool:
        return self._count > 0 and key in self._buckets.get(key % self._size, ())

    def add(self, key: int) -> None:
        """Inserts a key unless it is there."""
        if key in self:
            return
        if self._count == self._size:
            keys = list(self)
            self._size, self._step = BUCKETS[self._step], self._step + 1
            self._buckets = {}
            for old in keys:
                self._buckets.setdefault(old % self._size, []).append(old)
        self._buckets.setdefault(key % self._size, []).append(key)
        self._count += 1

    def remove(self, key: int) -> None:
        """Takes out a key that is there; the table never shrinks."""
        bucket = self._buckets[key % self._size]
        bucket.remove(key)
        if not bucket:
            del self._buckets[key % self._size]
        self._count -= 1
