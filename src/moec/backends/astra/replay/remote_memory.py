"""Remote memory: how long an access takes, and who waits for whom (AnalyticalRemoteMemory.cc)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from moec.backends.astra.files.json_values import int32, text, uint64
from moec.backends.astra.network.conversions import whole
from moec.backends.astra.network.events.desk import Desk
from moec.backends.astra.network.refusal import Refusal, Stopped, crashes

Kind = Literal["NO_MEMORY_EXPANSION", "PER_NPU_MEMORY_EXPANSION", "PER_NODE_MEMORY_EXPANSION", "MEMORY_POOL"]
SIGFPE = -8
_KINDS: tuple[Kind, ...] = (
    "NO_MEMORY_EXPANSION",
    "PER_NPU_MEMORY_EXPANSION",
    "PER_NODE_MEMORY_EXPANSION",
    "MEMORY_POOL",
)


@dataclass(frozen=True, slots=True)
class Memory:
    """`kind`: None where the file has none. `latency_ns` and `rate` in whole bytes/ns; `nodes` of `npus` ranks where memory is per node."""

    kind: Kind | None
    latency_ns: int
    rate: int
    nodes: int
    npus: int

    def access_ns(self, size: int) -> int:
        """How long one access takes; without a rate the simulator divides by zero, which comes to nothing."""
        return (self.latency_ns + (whole(size / self.rate) if self.rate else 0)) % 2**64

    def place(self, rank: int) -> int | None:
        """Which memory a rank shares; None for one of its own."""
        match self.kind:
            case "NO_MEMORY_EXPANSION":
                raise Stopped(Refusal("exits", 1, "`Remote memory access is not supported in NO_MEMORY_EXPANSION`"))
            case "PER_NPU_MEMORY_EXPANSION":
                return None
            case "MEMORY_POOL":
                return 0
            case "PER_NODE_MEMORY_EXPANSION":
                if not self.npus:
                    raise Stopped(Refusal("crashes", SIGFPE, "ranks are divided by `num-npus-per-node`, which is 0"))
                node = int(rank / self.npus)
                if not 0 <= node < self.nodes:
                    raise Stopped(crashes(f"rank {rank} belongs to none of the {self.nodes} nodes of remote memory"))
                return node
            case None:
                raise Stopped(crashes("the memory file has no `memory-type`"))


def memory_of(raw: Mapping[str, Any] | None) -> Memory:
    """The memory file; without one there is no remote memory. Raises Stopped where the simulator ends."""
    found = raw or {}
    named = text(found, "memory-type") if raw is not None else _KINDS[0]
    kind = next((known for known in _KINDS if named == known), None)
    if kind is None and named is not None:
        raise Stopped(Refusal("exits", 1, f"`Unsupported memory type: {named}`"))
    apart = kind == "PER_NODE_MEMORY_EXPANSION"
    nodes, npus = (int32(found, key, 0) if apart else 0 for key in ("num-nodes", "num-npus-per-node"))
    return Memory(kind, uint64(found, "remote-mem-latency", 0), uint64(found, "remote-mem-bw", 0), nodes, npus)


Request = tuple[int, Desk, Callable[[Any], None], Any]


class Stores:
    """Accesses one after the other per shared memory; ranks with their own wait for nobody."""

    __slots__ = ("_busy", "_memory", "_waiting")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._busy: set[int] = set()
        self._waiting: dict[int, deque[Request]] = {}

    def access(self, rank: int, size: int, desk: Desk, call: Callable[[Any], None], argument: Any) -> None:
        """Runs `call(argument)` when the access is over."""
        place = self._memory.place(rank)
        if place is None:
            desk.after(self._memory.access_ns(size), call, argument)
        elif place in self._busy:
            self._waiting.setdefault(place, deque()).append((size, desk, call, argument))
        else:
            self._start(place, size, desk, call, argument)

    def _start(self, place: int, size: int, desk: Desk, call: Callable[[Any], None], argument: Any) -> None:
        time = self._memory.access_ns(size)
        self._busy.add(place)
        desk.after(time, call, argument)
        desk.after(time, self._next, place)

    def _next(self, place: int) -> None:
        waiting = self._waiting.get(place)
        if waiting:
            size, desk, call, argument = waiting.popleft()
            self._start(place, size, desk, call, argument)
        else:
            self._busy.discard(place)
