"""What one engine of a run has to itself; the engines of a run may differ in all of it."""

from __future__ import annotations

from dataclasses import dataclass

from moec.backends.base import StepTimer
from moec.compiler.ir.batch import Load
from moec.compiler.sizes.kv_blocks import KvCacheSizes
from moec.compiler.sizes.layout import Layout
from moec.dsl.schema import Experiment, Gqa
from moec.serving.engine.decodes import Decodes
from moec.serving.engine.host_memory import ENDLESS, HostBlocks
from moec.serving.engine.host_time import Host, host_of
from moec.serving.engine.kv_cache import Blocks, CountedBlocks, HashedBlocks
from moec.serving.engine.limits import NO_WINDOW, Limits
from moec.serving.engine.pace import Pace
from moec.serving.engine.rank_queue import RankQueue
from moec.serving.engine.scheduler import Scheduler
from moec.serving.shared import Shared


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EngineConfig:
    """An engine: its plan, what bounds its steps, its caches, its host, and what times its iterations.

    `experiment` is its own, too: model, cluster and scheduler that the rest was made from. `dummy`: a rank without requests
    runs a batch of one token, so that collectives find all ranks.
    """

    experiment: Experiment
    layout: Layout
    limits: Limits
    kv_cache: KvCacheSizes
    host: Host
    timer: StepTimer
    dummy: bool

    @property
    def swaps(self) -> bool:
        """Whether preempted requests go to host memory, as far as it has room."""
        return self.kv_cache.host_blocks != 0

    @property
    def lockstep(self) -> bool:
        """Whether one iteration runs at a time: there are no pipeline stages."""
        return self.layout.pp == 1

    def scheduler(self, shared: Shared) -> Scheduler:
        """The scheduler of one attention-DP rank, without requests."""
        blocks = self._blocks(shared)
        return Scheduler(requests=shared.requests, limits=self.limits, blocks=blocks, host=self._host_blocks())

    def rank_queue(self, shared: Shared, pace: Pace, key: list[int], needs: list[int]) -> RankQueue:
        """The same of a rank in lockstep; `key` and `needs` belong to the instance (see `Decodes`)."""
        blocks = self._blocks(shared)
        return RankQueue(
            requests=shared.requests,
            limits=self.limits,
            blocks=blocks,
            host=self._host_blocks(),
            decodes=Decodes(pace=pace, window=self.limits.window, blocks=blocks, key=key, needs=needs),
        )

    def _blocks(self, shared: Shared) -> Blocks:
        block = self.limits.block
        if self.experiment.serving.kv_cache.prefix_caching and block in shared.prefixes:
            return HashedBlocks(self.kv_cache.blocks, block, shared.prefixes[block])
        return CountedBlocks(self.kv_cache.blocks, block)

    def _host_blocks(self) -> HostBlocks:
        block, window, room = self.limits.block, self.limits.window, self.kv_cache.host_blocks
        touched = ENDLESS if window == NO_WINDOW else -(-(window - 1) // block) + 1
        return HostBlocks(ENDLESS if room is None else room, block, touched)

    def swapped_bytes(self, load: Load) -> tuple[int, int]:
        """Bytes that one iteration moves to host memory, and back, over all ranks."""
        if not self.swaps or not load.swaps:
            return 0, 0
        full, window = self.kv_cache.widths
        out = load.swapped_out.sum() * full + load.swapped_out_window.sum() * window
        back = load.swapped_in.sum() * full + load.swapped_in_window.sum() * window
        return round(float(out)), round(float(back))


def engine_config(experiment: Experiment, timer: StepTimer, layout: Layout, kv_cache: KvCacheSizes) -> EngineConfig:
    """The engine that `experiment` describes, its iterations timed by `timer`."""
    serving, attention = experiment.serving, experiment.model.attention
    window = attention.window if isinstance(attention, Gqa) else None
    limits = Limits(
        max_sequences=serving.scheduler.max_sequences,
        max_batched_tokens=serving.scheduler.max_batched_tokens,
        chunked_prefill=serving.scheduler.chunked_prefill,
        block=serving.kv_cache.block,
        window=NO_WINDOW if window is None else window,
    )
    return EngineConfig(
        experiment=experiment,
        layout=layout,
        limits=limits,
        kv_cache=kv_cache,
        host=host_of(serving.overhead),
        timer=timer,
        dummy=experiment.model.moe is not None,
    )
