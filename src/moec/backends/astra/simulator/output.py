"""What the simulator's output says: who finished when, what it holds to be critical, which nodes never ended."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

FINISHED = re.compile(r"sys\[(\d+)\] finished, (\d+) cycles, exposed communication (\d+) cycles")
CRITICAL = re.compile(r"\[critical\] (.*)")
UNRELEASED = re.compile(r"!!!Hardware Resource sys\.id=(\d+) has unreleased nodes!!!")
STUCK_NODE = re.compile(r"\[critical\] .*node id: (\d+)")
STATISTIC = re.compile(
    r"\[statistics\] \[info\] sys\[(\d+)\], (Comm time|GPU time|CPU time|Remote mem time): (\d+)\s*$"
)
WITHOUT_STATISTICS = "Only GPU and COMM types are supported for overlap extraction"
"""Printed, as critical, after a rank with memory nodes has finished: it loses its statistics and nothing else."""


@dataclass(frozen=True, slots=True)
class Output:
    """The simulator's output, read line by line.

    `finish_ns`, `exposed_ns`: by rank. `repeated`: ranks that finished more than once. `critical`: such lines, without
    those of `without_statistics` ranks and of stuck nodes. `stuck`: rank and node of each operation that holds a
    resource at the end. `statistics`: by rank, name to nanoseconds.
    """

    finish_ns: dict[int, int]
    exposed_ns: dict[int, int]
    repeated: tuple[int, ...]
    critical: tuple[str, ...]
    without_statistics: int
    stuck: tuple[tuple[int, int], ...]
    statistics: dict[int, dict[str, int]]


def parse(text: str) -> Output:
    """Reads standard output and standard error together. Cycles are nanoseconds."""
    finish: dict[int, int] = {}
    exposed: dict[int, int] = {}
    times: Counter[int] = Counter()
    statistics: dict[int, dict[str, int]] = {}
    for line in text.splitlines():
        if found := FINISHED.search(line):
            rank, end, alone = (int(x) for x in found.groups())
            times[rank] += 1
            finish[rank], exposed[rank] = end, alone
        elif found := STATISTIC.search(line):
            statistics.setdefault(int(found[1]), {})[found[2]] = int(found[3])
    critical = [found[1] for found in CRITICAL.finditer(text)]
    harmless = [line for line in critical if line.endswith(WITHOUT_STATISTICS)]
    return Output(
        finish_ns=finish,
        exposed_ns=exposed,
        repeated=tuple(sorted(rank for rank, count in times.items() if count > 1)),
        critical=tuple(line for line in critical if line not in harmless and not _about_stuck(line)),
        without_statistics=len(harmless),
        stuck=tuple(_stuck(text)),
        statistics=statistics,
    )


def _about_stuck(line: str) -> bool:
    return UNRELEASED.search(line) is not None or STUCK_NODE.search(f"[critical] {line}") is not None


def _stuck(text: str) -> list[tuple[int, int]]:
    """A line names the rank, and those after it the nodes."""
    stuck: list[tuple[int, int]] = []
    rank: int | None = None
    for line in text.splitlines():
        if found := UNRELEASED.search(line):
            rank = int(found[1])
        elif rank is not None and (found := STUCK_NODE.search(line)):
            stuck.append((rank, int(found[1])))
    return stuck
