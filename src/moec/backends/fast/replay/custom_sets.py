"""The trace sets that stand for collectives: found, read whole sets at a time, and kept."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moec.backends.fast.astra.refusal import Refusal, Stopped
from moec.backends.fast.replay.custom import Score, score_of
from moec.backends.fast.replay.hash_table import HashTable
from moec.backends.fast.replay.program import native_tag
from moec.compiler.chakra.batch import Batch, batch
from moec.compiler.chakra.trace import RECV, SEND

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """A set of messages that are all free to go: members by position.

    `rows[source]`: target and size, in the order of issue; `counts`: messages that each sends or receives.
    """

    rows: list[list[tuple[int, int]]]
    counts: list[int]

    def rows_of(self, members: tuple[int, ...]) -> list[list[tuple[int, int]]]:
        """The same with ranks for positions."""
        if members == tuple(range(len(members))):
            return self.rows
        return [[(members[target], size) for target, size in row] for row in self.rows]


class CustomSets:
    """Sets by prefix. Paths are looked for from here, then in `beside`."""

    __slots__ = ("_beside", "_exchanges", "_files", "_scores")

    def __init__(self, beside: Path) -> None:
        self._beside = beside
        self._files: dict[tuple[str, int], list[bytes | None]] = {}
        self._exchanges: dict[tuple[str, int], Exchange | None] = {}
        self._scores: dict[tuple[str, int], Score] = {}

    def score(self, prefix: str, position: int, size: int) -> Score:
        """One member's nodes. Raises Stopped where the simulator cannot read the file."""
        key = (prefix, position)
        if key not in self._scores:
            raw = self._raw(prefix, size)[position] if 0 <= position < size else None
            path = f"{prefix}.{position}.et"
            if raw is None:
                raise Stopped(Refusal("exits", 1, f"`Cannot access et file for collective algorithm`: {path}"))
            self._scores[key] = score_of(raw, path)
        return self._scores[key]

    def exchange(self, prefix: str, size: int) -> Exchange | None:
        """A set of `size` members as plain messages; None where nodes wait for others, or ends do not meet."""
        key = (prefix, size)
        if key not in self._exchanges:
            files = [raw for raw in self._raw(prefix, size) if raw is not None]
            read = batch(files) if len(files) == size else None
            self._exchanges[key] = _exchange(read, size) if read is not None else None
        return self._exchanges[key]

    def _raw(self, prefix: str, size: int) -> list[bytes | None]:
        key = (prefix, size)
        if key not in self._files:
            self._files[key] = [self._read(f"{prefix}.{position}.et") for position in range(size)]
        return self._files[key]

    def _read(self, name: str) -> bytes | None:
        for path in (Path(name), self._beside / name):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                continue
        return None


def _exchange(read: Batch, size: int) -> Exchange | None:
    trace, owner = read.trace, read.file
    sends, receives = trace.kind == SEND, trace.kind == RECV
    sized = trace.attribute("comm_size").integer & trace.attribute("comm_tag").integer
    said = np.where(sends, trace.attribute("comm_dst").integer, trace.attribute("comm_src").integer)
    if len(trace.deps) or not (sized & said & (sends | receives)).all():
        return None
    peer = np.where(sends, trace.integers("comm_dst"), trace.integers("comm_src"))
    amount, tag = trace.integers("comm_size"), trace.integers("comm_tag")
    if (
        (peer < 0).any()
        or (peer >= size).any()
        or (peer == owner).any()
        or (amount <= 0).any()
        or _apart(trace.id, owner)
    ):
        return None
    there = np.stack((owner, peer, amount, tag))[:, sends]
    back = np.stack((peer, owner, amount, tag))[:, receives]
    if there.shape != back.shape or (_sorted(there) != _sorted(back)).any() or native_tag(int(tag.min())) < 0:
        return None
    place = _order(trace.id, owner, size)
    order = np.flatnonzero(sends)[np.lexsort((place[sends], owner[sends]))]
    start = np.searchsorted(owner[order], np.arange(size + 1)).tolist()
    pairs = list(zip(peer[order].tolist(), amount[order].tolist(), strict=True))
    return Exchange([pairs[a:b] for a, b in itertools.pairwise(start)], np.bincount(owner, minlength=size).tolist())


def _apart(ids: NDArray[np.uint64], owner: Ints) -> bool:
    """Whether some file does not number its nodes 1, 2, 3 …"""
    start = np.searchsorted(owner, owner)
    return bool((ids != np.arange(len(ids)) - start + 1).any())


def _sorted(keys: Ints) -> Ints:
    return keys[:, np.lexsort(keys)]


def _order(ids: NDArray[np.uint64], owner: Ints, size: int) -> Ints:
    """The place of each node in the order of issue of its file."""
    counts = np.bincount(owner, minlength=size).tolist()
    return np.concatenate([_places(count) for count in counts])


@lru_cache(maxsize=4096)
def _places(count: int) -> Ints:
    """Of nodes 1 … `count`, all free."""
    places = np.empty(count, dtype=np.int64)
    places[np.array(list(HashTable(HashTable(range(1, count + 1)))), dtype=np.int64) - 1] = np.arange(count)
    return places
