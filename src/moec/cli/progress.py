"""The progress of a simulation on a terminal: requests done, the simulated clock and how much faster than it we are."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int, int], None]
"""Called with requests finished, requests in all, and the simulated time in nanoseconds."""

_EVERY = 0.1
"""Seconds between two updates; the last one is always shown."""


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Progress | None]:
    """A bar on stderr while the block runs; None when nobody watches (no terminal) or wants to (`quiet`)."""
    if quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("simulating"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[clock]}"))
    with Bar(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as shown:
        task = shown.add_task("", total=None, clock="")
        start, last = time.perf_counter(), 0.0

        def show(done: int, total: int, clock_ns: int) -> None:
            nonlocal last
            now = time.perf_counter()
            if now - last < _EVERY and done < total:
                return
            last, simulated = now, clock_ns / 1e9
            speed = simulated / max(now - start, 1e-9)
            shown.update(
                task,
                completed=done,
                total=total,
                clock=f"{done:,}/{total:,} requests · {simulated:,.1f} s · {speed:,.0f}×",
            )
            shown.refresh()

        yield show
