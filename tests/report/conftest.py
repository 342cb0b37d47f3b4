"""Small hand-made results for the tests of reports."""

from __future__ import annotations

import numpy as np
import pytest

from moec.serving.results import IterationTable, RequestTable, Results, TokenGaps

MS = 1_000_000


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@pytest.fixture
def small_results() -> Results:
    """Three requests: two tokens, one token, and one that never finished."""
    requests = RequestTable(
        request_id=("a", "b,c", 'say "hi"'),
        arrival_ns=ints(10 * MS, 20 * MS, 30 * MS),
        input_tokens=ints(100, 200, 300),
        output_tokens=ints(3, 1, 5),
        instance=ints(0, 0, 0),
        dp_rank=ints(0, 1, 0),
        scheduled_ns=ints(11 * MS, 20 * MS, -1),
        first_token_ns=ints(40 * MS, 70 * MS, -1),
        finish_ns=ints(100 * MS, 70 * MS, -1),
        cached_tokens=ints(0, 16, 0),
        preemptions=ints(1, 0, 0),
    )
    iterations = IterationTable(
        instance=ints(0, 0),
        start_ns=ints(10 * MS, 70 * MS),
        end_ns=ints(70 * MS, 100 * MS),
        device_ns=ints(59 * MS, 29 * MS),
        prefill_tokens=ints(300, 0),
        decode_tokens=ints(0, 1),
        running=ints(2, 1),
        waiting=ints(1, 0),
        kv_blocks_used=ints(20, 7),
        swapped_out_bytes=ints(0, 0),
        swapped_in_bytes=ints(0, 0),
    )
    gaps = TokenGaps(gap_ns=ints(20 * MS, 40 * MS), count=ints(1, 1))
    return Results(
        requests=requests,
        iterations=iterations,
        gaps=gaps,
        kv_blocks=50,
        preemptions=1,
        wall_s=0.25,
        backend="fast",
        seed=0,
    )
