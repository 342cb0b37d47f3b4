"""How the comparison reads in a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from moec.report.style import plain_table
from moec.study.silicon.replay import Replayed
from moec.study.silicon.scores import OTHERS, Score, by_engine, by_gpu, reasons, score, scores


def study_report(found: Sequence[Replayed]) -> RenderableType:
    """Scores per model and GPU, per engine besides, the other estimator's figures, and why rows were left out."""
    compared = sum(not x.why for x in found)
    return Group(
        Text(f"{compared:,} of {len(found):,} rows compared; errors are |simulated ÷ measured − 1|"),
        "",
        _scores("model and GPU", [*scores(found, by_gpu), score(("all",), found)]),
        "",
        _scores("model, GPU, engine, precision", scores(found, by_engine)),
        "",
        Text(
            f"aiconfigurator's own estimator on {OTHERS['rows']} sampled rows: TPOT mean {_percent(OTHERS['tpot_mean'])}, "
            f"median {_percent(OTHERS['tpot_median'])}; TTFT mean {_percent(OTHERS['ttft_mean'])}"
        ),
        "",
        _reasons(found),
    )


def _scores(title: str, rows: Sequence[Score]) -> Table:
    """`rank`: over concurrency and parallelism, mean and lowest of the workloads."""
    table = plain_table(title, "rows", "TPOT median", "mean", "p90", "bias", "TTFT median", "mean", "rank")
    for s in rows:
        table.add_row(
            _name(s), f"{s.compared}",
            *(_percent(x) for x in (s.tpot_median, s.tpot_mean, s.tpot_p90)), _percent(s.tpot_bias, "+"),
            _percent(s.ttft_median), _percent(s.ttft_mean), f"{_two(s.rank)} {_two(s.rank_low)}",
        )  # fmt: skip
    return table


def _name(s: Score) -> str:
    """Without the publisher, and without what every GPU of the table is."""
    return " ".join(part.rpartition("/")[2].removesuffix("_sxm") for part in s.name)


def _reasons(found: Sequence[Replayed]) -> Table:
    table = plain_table("not compared", "rows")
    for why, count in reasons(found).most_common():
        table.add_row(why, f"{count:,}")
    return table


def _percent(share: float, sign: str = "") -> str:
    return "–" if math.isnan(share) else f"{100 * share:{sign}.1f}%"


def _two(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
