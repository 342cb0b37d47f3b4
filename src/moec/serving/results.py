"""The records of a serving run, in columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from moec.arrays import Ints
from moec.backends.base import Tally
from moec.compiler.evidence import OpEvidence


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RequestTable:
    """One row per request, in arrival order: every field `[requests]`; times in nanoseconds from the start of the run, -1: never."""

    request_id: tuple[str, ...]
    arrival_ns: Ints
    input_tokens: Ints
    output_tokens: Ints
    instance: Ints
    dp_rank: Ints
    scheduled_ns: Ints
    first_token_ns: Ints
    finish_ns: Ints
    cached_tokens: Ints
    preemptions: Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IterationTable:
    """One row per iteration, in start order: every field `[iterations]`, times in nanoseconds.

    Token and request counts are sums over the attention-DP ranks. `swapped_*`: KV cache moved to host memory, and back, over all ranks of the instance.
    """

    instance: Ints
    start_ns: Ints
    end_ns: Ints
    device_ns: Ints
    prefill_tokens: Ints
    decode_tokens: Ints
    running: Ints
    waiting: Ints
    kv_blocks_used: Ints
    swapped_out_bytes: Ints
    swapped_in_bytes: Ints


@dataclass(frozen=True, slots=True, eq=False)
class TokenGaps:
    """Inter-token latencies, run-length: gap `gap_ns[i]` was seen by `count[i]` tokens; both `[gaps]`."""

    gap_ns: Ints
    count: Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Results:
    """What a serving run leaves. `kv_blocks`: of one attention-DP rank of the first instance. `wall_s`: seconds spent simulating.

    `swapped`: preemptions whose blocks went to host memory, None when all are recomputed.
    `tally`: how iterations were timed, of a backend that does not time all of them alike. `evidence`: op -> where its
    times came from, over the run; empty when the cost model gives all of one kind.
    """

    requests: RequestTable
    iterations: IterationTable
    gaps: TokenGaps
    kv_blocks: int
    preemptions: int
    wall_s: float
    backend: str
    seed: int
    swapped: int | None = None
    tally: Tally | None = None
    evidence: Mapping[str, OpEvidence] = field(default_factory=dict)

    def __repr__(self) -> str:
        """What was served and for how long; the columns may be long."""
        end_s = int(self.requests.finish_ns.max(initial=0)) / 1e9
        counts = f"requests={len(self.requests.request_id):,}, iterations={len(self.iterations.start_ns):,}"
        return f"Results({counts}, simulated_s={end_s:.6g}, backend={self.backend!r})"
