"""What a user may ask of the ASTRA-sim backend."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from moec.dsl.schema.fields import Seconds, spec

Algorithm = Literal["auto", "ring", "direct", "halving_doubling"]
Encoding = Literal["custom", "sendrecv", "padded"]


@dataclass(frozen=True, slots=True)
class AstraOptions:
    """The ASTRA-sim simulator, which the user has installed.

    `binary`: it, or its folder; MOEC_ASTRA_SIM or PATH when None. No field of the language: a specification says nothing
    of the machine that it is simulated on.
    """

    congestion: Literal["auto", "aware", "unaware"] = spec(
        "the congestion-aware binary on one dimension, or the unaware one on two; auto: aware if it is there", "auto"
    )
    encoding: Encoding = spec(
        "a skewed all-to-all as a set of sends for each op, as sends in the trace, or uniform at the busiest's size",
        "custom",
    )
    routing: Literal["expected", "drawn"] = spec(
        "means and expected maxima, or a fresh draw in every iteration", "expected"
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
    every: int = spec(
        "time every n-th iteration; others by the fast estimator, corrected by the last ratio", 1, at_least=1
    )
    time_limit: Seconds = spec("of one run of the simulator", 600.0, above=0)
    binary: str | None = field(default=None, metadata={"internal": True})
