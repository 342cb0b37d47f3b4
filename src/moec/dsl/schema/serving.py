"""The engine: scheduler, KV cache, router and host overhead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from moec.dsl.schema.fields import Bytes, Seconds, Tokens, spec
from moec.registry import ROUTERS


@dataclass(frozen=True, slots=True)
class Scheduler:
    """Iteration-level batching as in vLLM V1."""

    max_sequences: int = spec("running requests per attention-DP rank (vLLM: max_num_seqs)", 256, at_least=1)
    max_batched_tokens: Tokens = spec(
        "token budget of one iteration per attention-DP rank (vLLM: max_num_batched_tokens)", 2048, at_least=1
    )
    chunked_prefill: bool = spec("a prompt may be computed over several iterations", True)
    policy: Literal["fcfs"] = spec("order of the waiting queue", "fcfs")


@dataclass(frozen=True, slots=True)
class KvCache:
    """Paged KV cache, one per attention-DP rank."""

    memory: float = spec(
        "share of device memory for weights, activations and cache (vLLM: gpu_memory_utilization)",
        0.9,
        above=0,
        at_most=1,
    )
    blocks: int | None = spec("blocks per attention-DP rank; computed from `memory` when absent", None, at_least=1)
    block: Tokens = spec("tokens per block", 16, at_least=1)
    prefix_caching: bool = spec("reuse blocks of equal prefixes; needs token ids in the workload", True)
    preemption: Literal["recompute", "swap"] = spec(
        "a preempted request computes its tokens again, or its blocks wait in host memory", "recompute"
    )
    runtime: Bytes = spec(
        "device memory outside the engine's tensors (vLLM logs 0.05 to 0.2 GiB on one GPU; collectives add theirs)",
        0.5e9,
        at_least=0,
    )


@dataclass(frozen=True, slots=True)
class Overhead:
    """Time that the host adds; docs/serving.md says where the defaults come from."""

    step: Seconds = spec("host time per iteration", 0.4e-3, at_least=0)
    sequence: Seconds = spec("host time per request of the busiest rank and iteration", 1.4e-6, at_least=0)
    asynchronous: bool = spec(
        "the host prepares an iteration while the device runs the one before (vLLM: async_scheduling)", True
    )
    gap: Seconds = spec("per iteration, what the device waits even so", 0.0, at_least=0)
    admission: Seconds = spec("from a request's arrival to the engine's input queue", 1e-3, at_least=0)
    execution: Literal["graph", "eager"] = spec("eager pays the device's launch time per kernel", "graph")
    largest_graph: Tokens | None = spec(
        "graphs are captured up to this many tokens, batches padded to the next captured size "
        "(vLLM: max_cudagraph_capture_size, which is min(2 × max_num_seqs, 512) when absent); 0: no padding",
        None,
        at_least=0,
    )


@dataclass(frozen=True, slots=True)
class LeastLoaded:
    """To the rank with the smallest 4 × waiting + running (vLLM's data-parallel balancer)."""


@dataclass(frozen=True, slots=True)
class RoundRobinRouter:
    """To each rank in turn."""


Router = LeastLoaded | RoundRobinRouter


@dataclass(frozen=True, slots=True)
class Serving:
    """The serving engine."""

    scheduler: Scheduler = spec("batching", factory=Scheduler)
    kv_cache: KvCache = spec("paged KV cache", factory=KvCache)
    router: Router = spec("which instance and attention-DP rank takes a request", factory=LeastLoaded, open_to=ROUTERS)
    overhead: Overhead = spec("host time", factory=Overhead)
    instances: int = spec("like copies of the engine behind the router", 1, at_least=1)
