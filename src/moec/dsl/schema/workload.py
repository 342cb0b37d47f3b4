"""Requests: how long, when, and how good is good enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from moec.dsl.schema.fields import MOST_SEED, Name, Rate, Seconds, Tokens, spec
from moec.registry import REQUEST_READERS


@dataclass(frozen=True, slots=True)
class UniformLength:
    """Whole lengths from `low` to `high`, both included."""

    low: Tokens = spec("shortest", at_least=1)
    high: Tokens = spec("longest", at_least=1)


@dataclass(frozen=True, slots=True)
class LognormalLength:
    """Log-normal lengths with the given mean and standard deviation (of the lengths, not of their logarithm)."""

    mean: Tokens = spec("mean length", at_least=1)
    std: Tokens = spec("standard deviation", at_least=0)


Length = Tokens | UniformLength | LognormalLength


@dataclass(frozen=True, slots=True)
class TraceRequests:
    """A file of requests: a table or JSON lines, its columns told by their names or given (docs/serving.md)."""

    file: str = spec("path, relative to the .moe file")
    count: int | None = spec("only the first so many", None, at_least=1)
    input: Name | None = spec("column or key of the prompt's tokens; told by its name when absent", None)
    output: Name | None = spec("column or key of the generated tokens", None)
    arrival: Name | None = spec("column or key of the arrival time", None)
    id: Name | None = spec("column or key of the request's id", None)
    unit: Literal["s", "ms", "us", "ns"] | None = spec("of the arrival times; told by their column when absent", None)
    block: Tokens | None = spec(
        "tokens that one of `hash_ids` stands for; told by the keys when absent", None, at_least=1
    )


@dataclass(frozen=True, slots=True)
class Lengths:
    """Synthetic lengths."""

    input: Length = spec("prompt tokens: a number or `uniform(…)` or `lognormal(…)`", at_least=1)
    output: Length = spec("generated tokens", at_least=1)
    count: int = spec("requests", at_least=1, at_most=10_000_000)
    seed: int | None = spec("the experiment's when absent", None, at_least=0, at_most=MOST_SEED)


Requests = TraceRequests | Lengths


@dataclass(frozen=True, slots=True)
class Poisson:
    """Exponential gaps."""

    rate: Rate = spec("mean arrival rate", above=0)
    seed: int | None = spec("the experiment's when absent", None, at_least=0, at_most=MOST_SEED)


@dataclass(frozen=True, slots=True)
class GammaArrivals:
    """Gamma gaps with coefficient of variation `cv` (1 is Poisson, larger is burstier)."""

    rate: Rate = spec("mean arrival rate", above=0)
    cv: float = spec("coefficient of variation of the gaps", at_least=1e-6, at_most=1000)
    seed: int | None = spec("the experiment's when absent", None, at_least=0, at_most=MOST_SEED)


@dataclass(frozen=True, slots=True)
class Constant:
    """Equal gaps."""

    rate: Rate = spec("arrival rate", above=0)


@dataclass(frozen=True, slots=True)
class Burst:
    """All at time zero."""


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """`concurrency` requests are always in flight: one leaves, the next arrives."""

    concurrency: int = spec("requests in flight", at_least=1)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The arrival times in the trace file, divided by `speed`."""

    speed: float = spec("2 replays twice as fast", 1.0, above=0)


Arrivals = Poisson | GammaArrivals | Constant | Burst | ClosedLoop | Recorded


@dataclass(frozen=True, slots=True)
class Goal:
    """Latency goals; the summary says which share of requests meets them all."""

    ttft_p99: Seconds | None = spec("99th percentile of the time to first token", None, above=0)
    tpot_p99: Seconds | None = spec("99th percentile of the time per output token", None, above=0)
    e2el_p99: Seconds | None = spec("99th percentile of the end-to-end latency", None, above=0)


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked of the engine."""

    requests: Requests = spec("where lengths come from", open_to=REQUEST_READERS)
    arrivals: Arrivals = spec("when requests arrive; `recorded()` needs a trace", factory=Recorded)
    goal: Goal = spec("latency goals", factory=Goal)
