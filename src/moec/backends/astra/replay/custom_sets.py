"""The trace sets that stand for collectives: found, read whole sets at a time, and kept."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Ints
from moec.backends.astra.network.events.post import TAGS
from moec.backends.astra.network.refusal import Refusal, Stopped
from moec.backends.astra.replay.custom_collective import Score, odd_sender, score_of
from moec.backends.astra.replay.hash_table import HashTable
from moec.compiler.chakra.reading.many_files import Batch, batch
from moec.compiler.chakra.trace import RECV, SEND

_PORTION = 160
"""Files that are decoded together."""


@dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """A set of sends and receives that are all free to go, members by position.

    Nodes `start[i]` to `start[i + 1]` are those of member i, in the order of issue: whether they are `sends`, the other's
    position, bytes and tag.
    """

    start: Ints
    sends: NDArray[np.bool_]
    peer: Ints
    size: Ints
    tag: Ints

    def part(self, position: int, members: tuple[int, ...]) -> tuple[list[bool], list[int], list[int], list[int]]:
        """What one member does; others by rank."""
        its = slice(self.start[position], self.start[position + 1])
        peers = [members[peer] for peer in self.peer[its].tolist()]
        return self.sends[its].tolist(), peers, self.size[its].tolist(), self.tag[its].tolist()


class CustomSets:
    """Sets by prefix. Paths are looked for from here, then in `beside`. `prefixes`: those that may follow each other."""

    __slots__ = ("_beside", "_exchanges", "_following", "_scores")

    def __init__(self, beside: Path, prefixes: Iterable[str] = ()) -> None:
        self._beside = beside
        ordered = list(dict.fromkeys(prefixes))
        self._following = dict(itertools.pairwise(ordered))
        self._exchanges: dict[tuple[str, int], Exchange | None] = {}
        self._scores: dict[tuple[str, int], Score] = {}

    def score(self, prefix: str, position: int) -> Score:
        """One member's nodes. Raises Stopped where the simulator cannot read the file."""
        key = (prefix, position)
        if key not in self._scores:
            path = f"{prefix}.{position}.et"
            raw = self._read(path) if position >= 0 else None
            if raw is None:
                raise Stopped(Refusal("exits", 1, f"`Cannot access et file for collective algorithm`: {path}"))
            self._scores[key] = score_of(raw, path)
        return self._scores[key]

    def exchange(self, prefix: str, size: int) -> Exchange | None:
        """A set of `size` members as plain messages; None where nodes wait for others, or ends do not meet."""
        if (prefix, size) not in self._exchanges:
            self._load(prefix, size)
        return self._exchanges[prefix, size]

    def _load(self, prefix: str, size: int) -> None:
        """Reads a set, and with it those that follow, some hundred files together."""
        prefixes = [prefix]
        while (following := self._following.get(prefixes[-1])) and len(prefixes) * size < _PORTION:
            if (following, size) in self._exchanges:
                break
            prefixes.append(following)
        files = [[self._read(f"{name}.{position}.et") for position in range(size)] for name in prefixes]
        whole = [raw for row in files for raw in row if raw is not None]
        read = batch(whole) if len(whole) == len(prefixes) * size else None
        if read is not None:
            for name, exchange in zip(prefixes, exchanges(read, len(prefixes), size), strict=True):
                self._exchanges[name, size] = exchange
            return
        alone = [raw for raw in files[0] if raw is not None]
        read = batch(alone) if len(alone) == size else None
        self._exchanges[prefix, size] = exchanges(read, 1, size)[0] if read is not None else None

    def _read(self, name: str) -> bytes | None:
        for path in (Path(name), self._beside / name):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                continue
        return None


def exchanges(read: Batch, sets: int, size: int) -> list[Exchange | None]:
    """The `sets` sets of `size` files each, one after the other in `read`, as plain messages where they are that."""
    trace = read.trace
    of_set, owner = np.divmod(read.file, size)
    sends, receives = trace.kind == SEND, trace.kind == RECV
    said = np.where(sends, trace.attribute("comm_dst").integer, trace.attribute("comm_src").integer)
    said &= trace.attribute("comm_size").integer & trace.attribute("comm_tag").integer & (sends | receives)
    said &= ~(sends & odd_sender(trace))
    peer = np.where(sends, trace.integers("comm_dst"), trace.integers("comm_src"))
    amount, tag = trace.integers("comm_size"), trace.integers("comm_tag")
    start = np.searchsorted(read.file, np.arange(sets * size + 1))
    numbered = trace.id == (np.arange(len(trace)) - start[read.file] + 1).astype(np.uint64)
    plain = said & numbered & (np.diff(trace.dep_start) == 0) & (tag >= 0) & (tag < TAGS)
    plain &= (peer >= 0) & (peer < size) & (peer != owner) & (amount > 0)
    sound = np.bincount(of_set[~plain], minlength=sets) == 0
    place = np.concatenate([places(count) for count in np.diff(start).tolist()])
    found: list[Exchange | None] = []
    bounds = start[::size].tolist()
    for i, (a, b) in enumerate(itertools.pairwise(bounds)):
        order = a + np.lexsort((place[a:b], owner[a:b]))
        first = start[i * size : (i + 1) * size + 1] - a
        found.append(Exchange(first, sends[order], peer[order], amount[order], tag[order]) if sound[i] else None)
    return found


@lru_cache(maxsize=4096)
def places(count: int) -> Ints:
    """When each of nodes 1 … `count` is issued that are all free from the start."""
    order = np.array(list(HashTable(HashTable(range(1, count + 1)))), dtype=np.int64)
    found = np.empty(count, dtype=np.int64)
    found[order - 1] = np.arange(count)
    return found
