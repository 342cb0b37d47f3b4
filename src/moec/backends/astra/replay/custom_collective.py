"""A collective that a trace set of its own spells out: sends, receives and delays, all that are free at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moec.backends.astra.network.conversions import wrapped
from moec.backends.astra.network.events.event import Event
from moec.backends.astra.network.events.stream import Algorithm, Stream
from moec.backends.astra.network.refusal import Refusal, Stopped, aborts, hangs
from moec.backends.astra.replay.hash_table import HashTable
from moec.backends.astra.replay.programs.attributes import native_tag
from moec.compiler.chakra.reading.read import content
from moec.compiler.chakra.trace import COMP, RECV, SEND, Trace


class Step(NamedTuple):
    """A node. `kind`: as in the trace; `tag`, `peer` and `size` of a message, `size` nanoseconds of a delay; −1: missing."""

    kind: int
    tag: int
    peer: int
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """One member's nodes by id. `parents` counts; `children` as they are freed; `free`: what starts, in order of issue.

    `entry`: the same in the order in which it entered the simulator's table.
    """

    steps: dict[int, Step]
    parents: dict[int, int]
    children: dict[int, list[int]]
    free: tuple[int, ...]
    entry: tuple[int, ...]

    @property
    def flat(self) -> bool:
        """Whether it has nothing but messages, none of which waits for another."""
        return len(self.free) == len(self.steps) and all(step.kind in (SEND, RECV) for step in self.steps.values())


def score_of(raw: bytes, path: str) -> Score:
    """The nodes in the bytes of a file. Raises Stopped where the simulator cannot read it."""
    read = content(raw)
    if any(trouble.fault == "gzip" for trouble in read.troubles):
        raise Stopped(hangs(f"{path} is packed by gzip: the simulator takes its bytes for records of nonsense"))
    wrong = [trouble for trouble in read.troubles if trouble.fault != "old-schema"]
    if wrong or not len(read.trace):
        raise _unread(path, wrong[0].sentence if wrong else "there is no node")
    return scored(read.trace, path)


def scored(trace: Trace, path: str) -> Score:
    """The same of nodes that were read. Raises Stopped as above."""
    steps = steps_of(trace)
    children, order = _tables(trace)
    missing = [node for node in order if node not in steps]
    parents = dict.fromkeys(order, 0)
    for kids in children.values():
        for kid in kids:
            parents[kid] += 1
    entry = tuple(node for node in order if not parents[node])
    if missing or not entry:
        raise _unread(path, f"node {missing[0]} is not there" if missing else "no node is free")
    return Score(steps, parents, children, tuple(HashTable(entry)), entry)


def _unread(path: str, told: str) -> Stopped:
    return Stopped(Refusal("exits", 1, f"`Cannot access et file for collective algorithm`: {path}: {told}"))


def steps_of(trace: Trace) -> dict[int, Step]:
    """What each node does."""
    sends = trace.kind == SEND
    there = trace.attribute("comm_size").integer & trace.attribute("comm_tag").integer
    there &= np.where(sends, trace.attribute("comm_dst").integer, trace.attribute("comm_src").integer)
    there &= ~(sends & odd_sender(trace))
    peer = np.where(sends, trace.integers("comm_dst"), trace.integers("comm_src"))
    size = np.where(trace.kind == COMP, np.maximum(trace.duration_ns, 1), trace.integers("comm_size"))
    size = np.where(there | (trace.kind == COMP), size, -1)
    columns = (trace.id, trace.kind, trace.integers("comm_tag"), peer, size)
    return {
        node: Step(kind, native_tag(tag), wrapped(to), amount)
        for node, kind, tag, to, amount in zip(*(column.tolist() for column in columns), strict=True)
    }


def odd_sender(trace: Trace) -> NDArray[np.bool_]:
    """Where `comm_src` is there and no number: as a send's own rank nothing looks at it but the feeder, which throws."""
    own = trace.attribute("comm_src")
    mask: NDArray[np.bool_] = own.present & ~own.integer
    return mask


def _tables(trace: Trace) -> tuple[dict[int, list[int]], list[int]]:
    """Children in the order in which they are freed, and all nodes as the map of parents is walked through."""
    if not len(trace.deps):
        return {}, list(HashTable(trace.id.tolist()))
    nodes, children = HashTable(), dict[int, HashTable]()
    start, deps = trace.dep_start.tolist(), trace.deps.tolist()
    for i, node in enumerate(trace.id.tolist()):
        nodes.add(node)
        for parent in HashTable(deps[start[i] : start[i + 1]]):
            nodes.add(parent)
            children.setdefault(parent, HashTable()).add(node)
    return {parent: list(kids) for parent, kids in children.items()}, list(nodes)


class Delivered(Event):
    """A message of node `node` is there."""

    __slots__ = ("custom", "node")

    def __init__(self, custom: Custom, node: int) -> None:
        self.custom, self.node = custom, node

    def happen(self) -> None:
        self.custom.delivered(self.node)


class Custom(Algorithm):
    """Plays one member's nodes on its stream (CustomAlgorithm.cc). `real`: ranks by the numbers that the set uses.

    `swallows` is told before each end whether it is an event of the rank itself; `fault` makes the end of a bad node.
    """

    __slots__ = ("_fault", "_free", "_parents", "_real", "_running", "_score", "_stream", "_swallows")

    def __init__(
        self,
        stream: Stream,
        score: Score,
        real: tuple[int, ...],
        swallows: Callable[[bool], None],
        fault: Callable[[str], Stopped],
    ) -> None:
        self._stream, self._score, self._real = stream, score, real
        self._swallows, self._fault = swallows, fault
        self._parents = {} if score.flat else dict(score.parents)
        self._free = HashTable(() if score.flat else score.entry)
        self._running = 0

    def start(self) -> None:
        if self._score.flat:
            for node in self._score.free:
                self._issue(node)
        else:
            self._issue_free()

    def _issue_free(self) -> None:
        for node in self._free:
            self._free.remove(node)
            self._issue(node)

    def _issue(self, node: int) -> None:
        step, stream = self._score.steps[node], self._stream
        self._running += 1
        if step.size < 0:
            raise self._fault(f"node {node} of a custom set lacks its peer, `comm_size` or `comm_tag`")
        if step.kind == COMP:
            stream.desk.after(step.size, self._lasted, node)
        elif step.kind in (SEND, RECV):
            if step.kind == RECV and step.peer >= len(self._real) and step.tag >= 0:
                return  # nobody sends it
            if not 0 <= step.peer < len(self._real) or step.tag < 0:
                raise Stopped(aborts(f"node {node} of a custom set names member {step.peer} of {len(self._real)}"))
            peer = self._real[step.peer]
            if step.kind == SEND:
                stream.post.send(step.tag, stream.member, peer, step.size, Delivered(self, node))
            else:
                stream.post.receive(step.tag, peer, stream.member, step.size, Delivered(self, node))

    def _lasted(self, node: int) -> None:
        self._swallows(True)
        self._over(node)

    def delivered(self, node: int) -> None:
        """A message of a node is there."""
        self._swallows(False)
        self._over(node)

    def _over(self, node: int) -> None:
        self._running -= 1
        for child in self._score.children.get(node, ()):
            self._parents[child] -= 1
            if not self._parents[child]:
                self._free.add(child)
        if len(self._free):
            self._issue_free()
        if not self._running:
            self._stream.finish()
