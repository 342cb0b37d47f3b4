"""What a serving run writes down while it runs: requests and iterations in columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Ints
from moec.serving.results import IterationTable, RequestTable, TokenGaps

NEVER = -1

COLUMNS = 11
"""Of an `IterationTable`."""

Column = int | Ints


@dataclass(slots=True)
class RequestColumns:
    """One entry per request, in plain lists because the loop touches single entries.

    `known`: prompt plus generated tokens (kept current only while a request does not decode); `computed`: of these, how
    many are in the cache; `last_ns`: when its latest token came out, where that is not the previous iteration's end.
    """

    input: list[int]
    output: list[int]
    arrival_ns: list[int]
    known: list[int]
    computed: list[int]
    instance: list[int]
    dp_rank: list[int]
    scheduled_ns: list[int]
    first_ns: list[int]
    last_ns: list[int]
    finish_ns: list[int]
    cached: list[int]
    preemptions: list[int]

    @staticmethod
    def of(input_tokens: Sequence[int], output_tokens: Sequence[int], arrival_ns: Sequence[int]) -> RequestColumns:
        """Columns of requests that have not arrived yet."""
        count = len(input_tokens)
        never = [NEVER] * count
        return RequestColumns(
            list(input_tokens), list(output_tokens), list(arrival_ns), list(input_tokens), [0] * count,
            never.copy(), never.copy(), never.copy(), never.copy(), never.copy(), never.copy(), never.copy(), [0] * count,
        )  # fmt: skip

    def emit(self, request: int, now: int, gaps: Counter[int]) -> int:
        """A token of the request comes out at `now`, unless it asks for none; returns how many are still to come."""
        output = self.output[request]
        if output:
            self.known[request] += 1
            if self.first_ns[request] < 0:
                self.first_ns[request] = now
            else:
                gaps[now - self.last_ns[request]] += 1
            self.last_ns[request] = now
        return output - (self.known[request] - self.input[request])

    def table(self, request_id: tuple[str, ...]) -> RequestTable:
        """The results' table; a request that was never scheduled has no cached tokens."""
        lists = (
            self.arrival_ns, self.input, self.output, self.instance, self.dp_rank, self.scheduled_ns, self.first_ns,
            self.finish_ns, [max(tokens, 0) for tokens in self.cached], self.preemptions,
        )  # fmt: skip
        return RequestTable(request_id, *(np.array(values, dtype=np.int64) for values in lists))


@dataclass(slots=True)
class IterationLog:
    """Iterations in the order in which they were committed, in one growing matrix `[column, row]`."""

    rows: int = 0
    data: Ints = field(default_factory=lambda: np.empty((COLUMNS, 1024), dtype=np.int64))

    def add(self, *columns: int) -> None:
        """Append a row; the columns are those of `IterationTable`."""
        self._reserve(self.rows + 1)
        self.data[:, self.rows] = columns
        self.rows += 1

    def extend(self, count: int, *columns: Column) -> None:
        """Append `count` rows, each column a number or `[count]`."""
        end = self.rows + count
        self._reserve(end)
        for row, column in zip(self.data, columns, strict=True):
            row[self.rows : end] = column
        self.rows = end

    def _reserve(self, rows: int) -> None:
        if rows > self.data.shape[1]:
            grown = np.empty((COLUMNS, max(rows, 2 * self.data.shape[1])), dtype=np.int64)
            grown[:, : self.rows] = self.data[:, : self.rows]
            self.data = grown

    def table(self) -> IterationTable:
        """The rows in start order, instances in order where they start together."""
        data = self.data[:, : self.rows]
        order = np.lexsort((data[0], data[1]))
        return IterationTable(*(column[order] for column in data))


def token_gaps(iterations: IterationTable, single: Counter[int], *, lockstep: bool) -> TokenGaps:
    """All inter-token latencies. In lockstep every decode of an iteration waited for as long as the iteration took.

    `single`: gaps beside those; a negative count takes back what an iteration's decodes say too much.
    """
    gaps = np.array(list(single.keys()), dtype=np.int64)
    counts = np.array(list(single.values()), dtype=np.int64)
    if lockstep:
        gaps = np.concatenate([gaps, iterations.end_ns - iterations.start_ns])
        counts = np.concatenate([counts, iterations.decode_tokens])
    return _merged(gaps, counts)


def _merged(gaps: Ints, counts: Ints) -> TokenGaps:
    unique, place = np.unique(gaps, return_inverse=True)
    totals: NDArray[np.int64] = np.zeros(len(unique), dtype=np.int64)
    np.add.at(totals, place.reshape(-1), counts)
    return TokenGaps(unique[totals > 0], totals[totals > 0])
