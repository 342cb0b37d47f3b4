"""What the loop asks of an instance, and what instances share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from moec.arrays import Ints
from moec.backends.base import StepTimer
from moec.compiler.ir.batch import Load
from moec.serving.agenda import Agenda
from moec.serving.engine.decodes import Decodes
from moec.serving.engine.host_memory import HostBlocks
from moec.serving.engine.host_time import Host
from moec.serving.engine.kv_cache import Blocks, CountedBlocks, HashedBlocks
from moec.serving.engine.limits import NO_WINDOW, Limits
from moec.serving.engine.pace import Pace
from moec.serving.engine.rank_queue import RankQueue
from moec.serving.engine.scheduler import Scheduler
from moec.serving.records import IterationLog, RequestColumns

Watch = Callable[[int, Ints, Load], None]
"""`watch(instance, start_ns, load)`: iterations that ran, from `start_ns` `[steps]`; the load's fields may hold more steps."""


@dataclass(slots=True)
class Floor:
    """What all instances of a run work on.

    `waiting` and `running`: requests per queue (instance · dp + dp_rank), kept current for the router. `gaps`: token
    gaps that are not an iteration's duration. `admission_ns`: from a request's arrival to its queue. `keys`: names of the prompts' blocks, None without prefix caching.
    `swap_blocks`: what fits in host memory per rank. `kv_widths`: cache bytes of a token over all ranks of an
    attention-DP rank, in the layers that keep every token and in those that keep a window.
    """

    requests: RequestColumns
    limits: Limits
    timer: StepTimer
    agenda: Agenda
    instances: int
    dp: int
    pp: int
    dummy: bool
    kv_blocks: int
    host: Host
    admission_ns: int
    keys: list[list[int]] | None
    swap_blocks: int = 0
    kv_widths: tuple[float, float] = (0.0, 0.0)
    watch: Watch | None = None
    waiting: list[int] = field(default_factory=list)
    running: list[int] = field(default_factory=list)
    iterations: IterationLog = field(default_factory=IterationLog)
    gaps: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """All queues are empty."""
        self.waiting = [0] * (self.instances * self.dp)
        self.running = [0] * (self.instances * self.dp)

    def blocks(self) -> Blocks:
        """The empty cache of one rank."""
        if self.keys is None:
            return CountedBlocks(self.kv_blocks, self.limits.block)
        return HashedBlocks(self.kv_blocks, self.limits.block, self.keys)

    def host_blocks(self) -> HostBlocks:
        """The host memory of one rank, empty."""
        block, window = self.limits.block, self.limits.window
        return HostBlocks(self.swap_blocks, block, NO_WINDOW if window == NO_WINDOW else -(-(window - 1) // block) + 1)

    def scheduler(self) -> Scheduler:
        """The scheduler of one rank, without requests."""
        return Scheduler(requests=self.requests, limits=self.limits, blocks=self.blocks(), host=self.host_blocks())

    def rank_queue(self, pace: Pace, key: list[int], needs: list[int]) -> RankQueue:
        """The same of a rank in lockstep; `key` and `needs` belong to the instance (see `Decodes`)."""
        blocks = self.blocks()
        return RankQueue(
            requests=self.requests,
            limits=self.limits,
            blocks=blocks,
            host=self.host_blocks(),
            decodes=Decodes(pace=pace, window=self.limits.window, blocks=blocks, key=key, needs=needs),
        )

    def swapped_bytes(self, load: Load) -> tuple[int, int]:
        """Bytes that one iteration moves to host memory, and back, over all ranks."""
        if not self.swap_blocks or not load.swaps:
            return 0, 0
        full, window = self.kv_widths
        out = load.swapped_out.sum() * full + load.swapped_out_window.sum() * window
        back = load.swapped_in.sum() * full + load.swapped_in_window.sum() * window
        return round(float(out)), round(float(back))


class Instance(Protocol):
    """One engine: its ranks, their queues and the iteration under way."""

    @property
    def swapped(self) -> int:
        """Preemptions so far whose blocks went to host memory."""
        ...

    def arrive(self, request: int, rank: int, now: int) -> None:
        """The router gave the request to attention-DP rank `rank`."""
        ...

    def start(self, now: int, token: int, horizon: int | None) -> None:
        """Start an iteration if there is anything to run, as posted under `token`.

        `horizon`: when the next request is known to arrive.
        """
        ...

    def end(self, now: int, token: int) -> int:
        """End the iteration posted under `token`; returns how many requests it finished."""
        ...
