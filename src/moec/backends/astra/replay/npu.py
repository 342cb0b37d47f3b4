"""One rank's workload: which nodes are ready, which run, and what is issued when one ends (Workload.cc)."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Protocol

from moec.backends.astra.network.refusal import Stopped, aborts, hangs
from moec.backends.astra.replay.programs.actions import (
    COMM,
    CPU,
    FREE,
    GPU,
    Action,
    Ends,
    Gathers,
    Lasts,
    Receives,
    Sends,
    Skips,
    Stores,
    Throws,
)
from moec.backends.astra.replay.programs.program import Program

LOST_STATISTICS = "Only GPU and COMM types are supported for overlap extraction"
_SLOTS = (CPU, GPU, COMM)


class Machine(Protocol):
    """What nodes run on."""

    def now(self) -> int: ...

    def twice(self, npu: Npu) -> None: ...

    def last(self, npu: Npu, node: int, ns: int) -> None: ...

    def store(self, npu: Npu, node: int, action: Stores) -> None: ...

    def gather(self, npu: Npu, node: int, action: Gathers) -> None: ...

    def send(self, npu: Npu, node: int, action: Sends) -> None: ...

    def receive(self, npu: Npu, node: int, action: Receives) -> None: ...


class Npu:
    """A rank. After every end all ready nodes are looked at by ascending id, and those that find their slot free start.

    `kernels_ns`: time of its kernels so far. `finish_ns`: −1 until nothing is ready or running any more. `start`, `end`:
    times of nodes, where they are kept.
    """

    __slots__ = (
        "_action", "_busy", "_children", "_freed", "_machine", "_moved_ns", "_odd", "_odds", "_ready", "_running", "_slot",
        "_swallows", "_waits", "end", "finish_ns", "kernels_ns", "lost", "program", "rank", "start",
    )  # fmt: skip

    def __init__(self, rank: int, program: Program, machine: Machine, *, detail: bool = False) -> None:
        self.rank, self.program, self._machine = rank, program, machine
        self._slot, self._action, self._odds = program.slot, program.action, program.odd
        self._children, self._waits = program.children, program.waits.copy()
        self._ready: tuple[list[int], ...] = ([], [], [], [])
        self._busy = [False, False, False, False]
        self._freed: list[int] = []
        self._running: set[int] = set()
        self._odd = self.lost = False
        self._swallows = False
        self._moved_ns = -1
        self.kernels_ns, self.finish_ns = 0, -1
        self.start: list[int] | None = [-1] * len(self._waits) if detail else None
        self.end: list[int] | None = [-1] * len(self._waits) if detail else None

    def fire(self) -> None:
        """The beginning."""
        for node, count in enumerate(self._waits):
            if not count:
                self._ready[self._slot[node]].append(node)
        self._scan()
        self._settle()

    def ended(self, node: int) -> None:
        """A node is over by an event of the rank itself, which swallows exceptions."""
        self._swallows = True
        self.over(node)

    def delivered(self, node: int, _: None = None) -> None:
        """A node is over by an event of the network, where an exception ends the process."""
        self._swallows = False
        self.over(node)

    def swallows(self, by_rank: bool) -> None:
        """Whether what comes next is an event of the rank itself."""
        self._swallows = by_rank

    @property
    def stuck(self) -> list[int]:
        """Nodes that run and have not ended."""
        return sorted(self._running)

    def fault(self, reason: str) -> Stopped:
        """What comes of an exception where the rank stands."""
        if self._swallows:
            return Stopped(hangs(f"rank {self.rank} is lost: {reason}"))
        return Stopped(aborts(f"rank {self.rank}: {reason}"))

    def over(self, node: int) -> None:
        """A node is over, by an event of a kind that is known."""
        now = self._machine.now()
        if now == self._moved_ns:
            self._machine.twice(self)
        self._moved_ns = now
        self._release(node)
        for freed in self._freed:
            heappush(self._ready[self._slot[freed]], freed)
        self._freed.clear()
        self._scan()
        self._settle()

    def _release(self, node: int) -> None:
        waits = self._waits
        self._busy[self._slot[node]] = False
        if node in self.program.untold:
            raise self.fault("`Attribute 'inputs' not found`: `track-local-mem` needs what nodes read and write")
        self._running.discard(node)
        if self.end is not None:
            self.end[node] = self._machine.now()
        for child in self._children[node]:
            waits[child] -= 1
            if not waits[child]:
                self._freed.append(child)

    def _scan(self) -> None:
        ready, busy = self._ready, self._busy
        cpu, gpu, comm, free = ready
        while True:
            best = None
            if gpu and not busy[GPU]:
                best = gpu
            if comm and not busy[COMM] and (best is None or comm[0] < best[0]):
                best = comm
            if cpu and not busy[CPU] and (best is None or cpu[0] < best[0]):
                best = cpu
            if free and (best is None or free[0] < best[0]):
                best = free
            if best is None:
                break
            self._issue(heappop(best))
        for freed in self._freed:
            heappush(ready[self._slot[freed]], freed)
        self._freed.clear()

    def _issue(self, node: int) -> None:
        slot, action = self._slot[node], self._action[node]
        self._busy[slot] = slot != FREE
        self._running.add(node)
        if self._odds[node]:
            self._odd = True
        if self.start is not None:
            self.start[node] = self._machine.now()
        if type(action) is Lasts:
            if action.kernel:
                self.kernels_ns += action.ns
            self._machine.last(self, node, action.ns)
        else:
            self._issue_other(node, action)

    def _issue_other(self, node: int, action: Action) -> None:
        machine = self._machine
        match action:
            case Gathers():
                machine.gather(self, node, action)
            case Sends():
                if action.own not in (-1, self.rank):
                    raise self.fault("`Send node should be issued by the sender`")
                machine.send(self, node, action)
            case Receives():
                if action.own not in (-1, self.rank):
                    raise self.fault("`Recv node should be issued by the receiver`")
                machine.receive(self, node, action)
            case Stores():
                machine.store(self, node, action)
            case Skips():
                self._release(node)
            case Throws(reason=reason):
                raise self.fault(reason)
            case Ends(refusal=refusal):
                raise Stopped(refusal)

    def _settle(self) -> None:
        """The rank has finished when nothing is ready and nothing runs."""
        if self._running or self.finish_ns >= 0 or any(self._ready):
            return
        self.finish_ns = self._machine.now()
        if self._odd:
            if not self._swallows:
                raise Stopped(
                    aborts(f"rank {self.rank} finishes at {self.finish_ns} ns and throws `{LOST_STATISTICS}`")
                )
            self.lost = True
