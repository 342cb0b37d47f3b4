"""What held a run back: for how long requests waited, and for want of what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moec.dsl.schema import Serving
from moec.serving.results import IterationTable, Results

_NEARLY = 0.98
"""Of a limit: ranks fill unevenly, so the sum over ranks seldom reaches the sum of their limits."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Shares of the run's time (0 to 1) and peaks over all instances' iterations.

    `busy`: instances at work. Of the run's time, requests waited while the running ones were at `max_sequences`, while
    the iteration was at `max_batched_tokens`, while the KV cache was full, or for a place on an uneven rank (`other`).
    """

    busy: float
    by_sequences: float
    by_tokens: float
    by_kv_cache: float
    by_other: float
    peak_running: int
    peak_waiting: int
    peak_kv_blocks: int
    capacity_kv_blocks: int

    def sentence(self) -> str:
        """The reading for a newcomer, in one sentence."""
        causes = {
            "`scheduler.max_sequences` was reached": self.by_sequences,
            "`scheduler.max_batched_tokens` was used up": self.by_tokens,
            "the KV cache was full": self.by_kv_cache,
            "their rank was busier than the others": self.by_other,
        }
        waited = sum(causes.values())
        if waited < 0.01:
            who = "Hardly a" if self.peak_waiting else "No"
            return f"{who} request had to wait: the engine kept up, and was busy {self.busy:.0%} of the time."
        cause = max(causes, key=lambda name: causes[name])
        return f"Requests waited for {waited:.0%} of the time, mostly ({causes[cause]:.0%}) because {cause}."


def limits_of(results: Results, serving: Serving, dp: int) -> Limits:
    """What the iterations say; `dp` attention-DP ranks per instance, each with the limits of `serving`."""
    table, scheduler = results.iterations, serving.scheduler
    time = (table.end_ns - table.start_ns).astype(float)
    whole = max(1.0, float(results.requests.finish_ns.max(initial=1))) * serving.instances
    capacity = results.kv_blocks * dp
    waits = table.waiting > 0
    tokens = waits & (table.prefill_tokens + table.decode_tokens >= _NEARLY * scheduler.max_batched_tokens * dp)
    sequences = waits & ~tokens & (table.running >= _NEARLY * scheduler.max_sequences * dp)
    cache = waits & ~tokens & ~sequences & (table.kv_blocks_used >= 0.9 * capacity)
    other = waits & ~(tokens | sequences | cache)
    return Limits(
        busy=float(time.sum()) / whole,
        by_sequences=float(time[sequences].sum()) / whole,
        by_tokens=float(time[tokens].sum()) / whole,
        by_kv_cache=float(time[cache].sum()) / whole,
        by_other=float(time[other].sum()) / whole,
        peak_running=int(table.running.max(initial=0)),
        peak_waiting=int(table.waiting.max(initial=0)),
        peak_kv_blocks=int(table.kv_blocks_used.max(initial=0)),
        capacity_kv_blocks=capacity,
    )


def phase_shares(table: IterationTable) -> dict[str, float]:
    """Share of the iterations' time that was prefill only, decode only, or both at once."""
    time = (table.end_ns - table.start_ns).astype(float)
    whole = max(1.0, float(time.sum()))
    prefill, decode = table.prefill_tokens > 0, table.decode_tokens > 0
    kinds = {"prefill": prefill & ~decode, "decode": decode & ~prefill, "mixed": prefill & decode}
    return {name: float(np.sum(time[chosen])) / whole for name, chosen in kinds.items()}
