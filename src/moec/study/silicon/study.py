"""The whole comparison: every row replayed or with the reason why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from moec.study.silicon.recipes import unclear
from moec.study.silicon.replay import Load, Replayed, replay
from moec.study.silicon.rows import Row, suspicions
from moec.study.silicon.specs import is_mixture, obstacle

Progress = Callable[[int, int], None]
"""Called with rows done and rows in all."""


def chosen(rows: Sequence[Row], gpus: Sequence[str], models: Sequence[str], engines: Sequence[str]) -> list[Row]:
    """The rows of mixtures on some GPUs, of some models and engines; an empty choice is all. Names match when they contain it."""

    def fits(row: Row) -> bool:
        pairs = ((row.gpu, gpus), (row.model, models), (row.engine, engines))
        return all(not wanted or any(w.lower() in name.lower() for w in wanted) for name, wanted in pairs)

    return [row for row in rows if is_mixture(row) and fits(row)]


def study(
    rows: Sequence[Row],
    load: Load,
    *,
    waves: int,
    limit: int | None,
    jobs: int,
    tokens: str,
    anyway: bool,
    progress: Progress,
) -> list[Replayed]:
    """Every row with its prediction or its reason, in the order of `rows`; at most `limit` are replayed, evenly chosen. `anyway`:
    also those of which it is not known how the engine was started, as if with its defaults.

    What is suspicious is told from the measurements alone, before anything is simulated.
    """
    why = suspicions(rows)
    if not anyway:
        why = {**{row.id: reason for row in rows if (reason := unclear(row))}, **why}
    why = {**why, **{row.id: reason for row in rows if (reason := obstacle(row))}}
    ready = [row for row in rows if row.id not in why]
    taken = {row.id for row in _evenly(ready, limit)}
    skipped = {row.id: "limit: not replayed this time" for row in ready if row.id not in taken}
    done = {}
    for found in _replayed(
        [row for row in ready if row.id in taken],
        partial(replay, load=load, waves=waves, tokens=tokens, anyway=anyway),
        jobs,
    ):
        done[found.row.id] = found
        progress(len(done), len(taken))
    return [done.get(row.id) or Replayed(row, why=why.get(row.id) or skipped[row.id]) for row in rows]


def _evenly(rows: Sequence[Row], limit: int | None) -> Sequence[Row]:
    if limit is None or limit >= len(rows):
        return rows
    return [rows[i * len(rows) // limit] for i in range(limit)]


def _replayed(rows: Sequence[Row], one: Callable[[Row], Replayed], jobs: int) -> Iterator[Replayed]:
    """In this process, or in `jobs` of them. Rows of one setting follow each other, so that tables are made once."""
    if jobs == 1 or len(rows) < 2:
        yield from map(one, rows)
        return
    with ProcessPoolExecutor(min(jobs, len(rows)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(one, rows, chunksize=4)
