"""What a serving run writes down while it runs: requests and iterations in columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Ints
from moec.serving.results import IterationTable, RequestTable, TokenGaps

NEVER = -1

Column = int | Ints


class Iteration(NamedTuple):
    """Iterations of an instance as rows of an `IterationTable`: each field is a number or, for several rows, `[rows]`."""

    instance: Column
    start_ns: Column
    end_ns: Column
    device_ns: Column
    prefill_tokens: Column
    decode_tokens: Column
    running: Column
    waiting: Column
    kv_blocks_used: Column
    swapped_out_bytes: Column = 0
    swapped_in_bytes: Column = 0


COLUMNS = len(Iteration._fields)


@dataclass(slots=True, kw_only=True)
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
        return RequestColumns(
            input=list(input_tokens),
            output=list(output_tokens),
            arrival_ns=list(arrival_ns),
            known=list(input_tokens),
            computed=[0] * count,
            instance=[NEVER] * count,
            dp_rank=[NEVER] * count,
            scheduled_ns=[NEVER] * count,
            first_ns=[NEVER] * count,
            last_ns=[NEVER] * count,
            finish_ns=[NEVER] * count,
            cached=[NEVER] * count,
            preemptions=[0] * count,
        )

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
        return RequestTable(
            request_id=request_id,
            arrival_ns=_ints(self.arrival_ns),
            input_tokens=_ints(self.input),
            output_tokens=_ints(self.output),
            instance=_ints(self.instance),
            dp_rank=_ints(self.dp_rank),
            scheduled_ns=_ints(self.scheduled_ns),
            first_token_ns=_ints(self.first_ns),
            finish_ns=_ints(self.finish_ns),
            cached_tokens=np.maximum(_ints(self.cached), 0),
            preemptions=_ints(self.preemptions),
        )


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)


@dataclass(slots=True)
class IterationLog:
    """Iterations in the order in which they were committed, in one growing matrix `[column, row]`."""

    rows: int = 0
    data: Ints = field(default_factory=lambda: np.empty((COLUMNS, 1024), dtype=np.int64))

    def add(self, row: Iteration) -> None:
        """Append one iteration."""
        self._reserve(self.rows + 1)
        self.data[:, self.rows] = row
        self.rows += 1

    def extend(self, count: int, rows: Iteration) -> None:
        """Append `count` iterations, each field a number or `[count]`."""
        end = self.rows + count
        self._reserve(end)
        for column, values in zip(self.data, rows, strict=True):
            column[self.rows : end] = values
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
        return IterationTable(**{name: column[order] for name, column in zip(Iteration._fields, data, strict=True)})


def token_gaps(iterations: IterationTable, single: Counter[int], lockstep: Sequence[bool]) -> TokenGaps:
    """All inter-token latencies. `lockstep[i]`: every decode of an iteration of instance i waited as long as that took.

    `single`: gaps beside those; a negative count takes back what an iteration's decodes say too much.
    """
    gaps = np.array(list(single.keys()), dtype=np.int64)
    counts = np.array(list(single.values()), dtype=np.int64)
    whole = np.array(lockstep, dtype=bool)[iterations.instance]
    gaps = np.concatenate([gaps, (iterations.end_ns - iterations.start_ns)[whole]])
    counts = np.concatenate([counts, iterations.decode_tokens[whole]])
    return _merged(gaps, counts)


def _merged(gaps: Ints, counts: Ints) -> TokenGaps:
    unique, place = np.unique(gaps, return_inverse=True)
    totals: NDArray[np.int64] = np.zeros(len(unique), dtype=np.int64)
    np.add.at(totals, place.reshape(-1), counts)
    return TokenGaps(unique[totals > 0], totals[totals > 0])
