"""How well the predictions of a group of rows agree with what was measured."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from moec.arrays import Array
from moec.study.silicon.replay import Replayed
from moec.study.silicon.rows import SAME

OTHERS = {
    "rows": 97,
    "tpot_mean": 0.337,
    "tpot_median": 0.204,
    "ttft_mean": 0.588,
}
"""The package's own estimator (aiconfigurator-core 0.12.0, `silicon` mode) on 97 sampled rows of the same table: means and median of
|predicted ÷ measured − 1|. Not of the same rows as ours: it was run once, on a sample over all models, engines and GPUs.
"""

FEWEST = 4
"""Rows that a rank correlation needs."""


@dataclass(frozen=True, slots=True)
class Score:
    """Of the rows of `name`: how many were `compared`, and errors as shares (0.1 is 10 %), not numbers when none was.

    `tpot_bias`: the median with its sign. `rank`: Spearman's correlation of measured and simulated times per output token over
    concurrency and parallelism, the mean over the workloads (lengths, precision, engine), weighted by rows; `rank_low`: the lowest.
    """

    name: tuple[str, ...]
    rows: int
    compared: int
    tpot_median: float
    tpot_mean: float
    tpot_p90: float
    tpot_bias: float
    ttft_median: float
    ttft_mean: float
    rank: float
    rank_low: float


Key = Callable[[Replayed], tuple[str, ...]]


def by_engine(x: Replayed) -> tuple[str, ...]:
    """Model, GPU, engine, precision."""
    return SAME.get(x.row.model, x.row.model), x.row.gpu, x.row.engine, x.row.precision


def by_gpu(x: Replayed) -> tuple[str, ...]:
    """Model, GPU."""
    return by_engine(x)[:2]


def scores(found: Iterable[Replayed], key: Key) -> list[Score]:
    """One score for each group that has something to compare, by name."""
    groups = defaultdict(list)
    for x in found:
        groups[key(x)].append(x)
    return [score(name, group) for name, group in sorted(groups.items()) if any(not x.why for x in group)]


def score(name: tuple[str, ...], group: Sequence[Replayed]) -> Score:
    """The score of a group of rows."""
    compared = [x for x in group if not x.why]
    tpot = np.array([x.tpot_error for x in compared])
    ttft = np.abs([x.ttft_error for x in compared])
    size, ranks = np.abs(tpot), _ranks(compared)
    return Score(
        name, len(group), len(compared),
        _of(np.median, size), _of(np.mean, size), _of(lambda e: np.quantile(e, 0.9), size), _of(np.median, tpot),
        _of(np.median, ttft), _of(np.mean, ttft),
        sum(n * r for n, r in ranks) / sum(n for n, _ in ranks) if ranks else float("nan"),
        min((r for _, r in ranks), default=float("nan")),
    )  # fmt: skip


def _of(statistic: Callable[[Array], object], values: Array) -> float:
    return float(statistic(values)) if len(values) else float("nan")  # type: ignore[arg-type]


def _ranks(compared: Sequence[Replayed]) -> list[tuple[int, float]]:
    """Rows and rank correlation of every workload with enough of them."""
    workloads = defaultdict(list)
    for x in compared:
        workloads[x.row.engine, x.row.precision, x.row.isl, x.row.osl].append(x)
    pairs = [(np.array([x.row.tpot_ms for x in w]), np.array([x.tpot_ms for x in w])) for w in workloads.values()]
    return [(len(m), spearman(m, s)) for m, s in pairs if len(m) >= FEWEST]


def spearman(a: Array, b: Array) -> float:
    """The correlation of the ranks; ties share their mean rank."""
    return float(np.corrcoef(_rank(a), _rank(b))[0, 1])


def _rank(values: Array) -> Array:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean: Array = counts.cumsum() - (counts - 1) / 2
    return mean[place]


def reasons(found: Iterable[Replayed]) -> Counter[str]:
    """Why rows were not compared, most frequent first; numbers in the reasons are left out."""
    return Counter(_kind(x.why) for x in found if x.why)


def _kind(why: str) -> str:
    """The reason without its figures: what `disagrees` or `dips` by how much is in the table of rows."""
    head, _, rest = why.partition(": ")
    return head if head in ("disagrees", "dips") else f"{head}: {rest}"
