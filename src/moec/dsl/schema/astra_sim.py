"""What a user may ask of ASTRA-sim, simulated or estimated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from moec.dsl.schema.fields import Seconds, spec

Algorithm = Literal["auto", "ring", "direct", "halving_doubling"]
Encoding = Literal["custom", "sendrecv", "padded"]


@dataclass(frozen=True, slots=True)
class AstraSystem:
    """The cluster as ASTRA-sim's analytical backends see it, and how an iteration is put to them."""

    congestion: Literal["auto", "aware", "unaware"] = spec(
        "one dimension with congestion, or two without; auto: aware (run by the simulator: if that binary is there)",
        "auto",
    )
    encoding: Encoding = spec(
        "a skewed all-to-all as a set of sends for each op, as sends in the trace, or uniform at the busiest's size",
        "custom",
    )
    splits: int | None = spec(
        "pieces of a collective; 8 on an aware switch, else 1 when absent", None, at_least=1, at_most=1024
    )
    active: int | None = spec("pieces in flight; as `splits` when absent on an aware switch, else 1", None, at_least=1)
    all_reduce: Algorithm = spec(
        "algorithm of all-reduces; auto: direct where every pair has a link, else ring", "auto"
    )
    all_gather: Algorithm = spec("algorithm of all-gathers", "auto")
    reduce_scatter: Algorithm = spec("algorithm of reduce-scatters", "auto")
    flat: Literal["between", "inside"] = spec(
        "whose figures one dimension takes when ranks span nodes: the network's or the scale-up fabric's", "between"
    )


@dataclass(frozen=True, slots=True)
class AstraOptions(AstraSystem):
    """The ASTRA-sim simulator, which the user has installed."""

    routing: Literal["expected", "drawn"] = spec(
        "means and expected maxima, or a fresh draw in every iteration", "expected"
    )
    every: int = spec(
        "time every n-th iteration; others by the fast estimator, corrected by the last ratio", 1, at_least=1
    )
    time_limit: Seconds = spec("of one run of the simulator", 600.0, above=0)
    binary: str | None = field(default=None, metadata={"internal": True})
