"""The op table sums over layers and ranks what the graph holds once."""

import numpy as np
import pytest

from moec.backends.base import OpTiming, Timing
from moec.backends.op_rows import op_rows
from moec.compiler.ir.estimate import Estimate
from moec.compiler.ir.graph import AllToAll, Block, Collective, Compute, Dense, Graph, Op, Outer
from moec.compiler.ir.kernels import Gemm

LAYERS, RANKS = 4, 2
GROUPS = {"stage": np.array([[0, 1]])}


def gemm(rows: float, *, time_ns: float, bound: int = 0, replicas: int = 1) -> Compute:
    kernel = Gemm(np.full((1, 1), rows), 16, 8, "bf16", "bf16")
    return Compute(kernel, Estimate(np.full((1, 1), time_ns), np.full((1, 1), bound), "measured"), replicas=replicas)


def rows_of(*works, shown: int = LAYERS, spans: np.ndarray | None = None, names: str = "abc"):
    ops = tuple(Op(name, work, "compute") for name, work in zip(names, works, strict=False))
    graph = Graph(RANKS, GROUPS, (Block("layers", LAYERS, ops, (len(ops) - 1,), 0, RANKS),))
    length = np.full((shown, RANKS), 1000) if spans is None else spans
    timed = tuple(OpTiming(0, i, np.zeros_like(length), length) for i in range(len(ops)))
    nothing = np.zeros(1)
    return op_rows(graph, Timing(nothing, nothing, nothing, timed))


def test_flops_and_bytes_are_of_all_layers_and_ranks():
    (row,) = rows_of(gemm(3, time_ns=1000))

    assert row.count == LAYERS
    assert row.flops == LAYERS * RANKS * 2 * 3 * 16 * 8
    assert row.bytes == LAYERS * RANKS * 2 * (3 * (16 + 8) + 16 * 8)
    assert (row.bound, row.source, row.communication) == ("compute", "measured", False)


def test_work_that_ranks_repeat_counts_once_in_flops_but_moves_its_bytes():
    (once,), (twice,) = rows_of(gemm(3, time_ns=1)), rows_of(gemm(3, time_ns=1, replicas=2))

    assert twice.flops == once.flops / 2
    assert twice.bytes == once.bytes


def test_time_is_that_of_the_busiest_rank_and_unseen_layers_take_as_long_as_the_last():
    (row,) = rows_of(gemm(3, time_ns=1), shown=2, spans=np.array([[1000, 5000], [2000, 3000]]))

    assert row.time_us == max(1 + 2 + 2 * 2, 5 + 3 + 2 * 3)


def test_the_bound_is_where_most_of_the_time_goes():
    kernel = Gemm(np.ones((LAYERS, 1)), 16, 8, "bf16", "bf16")
    work = Compute(kernel, Estimate(np.array([[100], [100], [100], [900]]), np.array([[0], [0], [0], [1]]), "modelled"))

    assert rows_of(work)[0].bound == "memory"


def test_ops_of_one_name_are_one_row():
    (row,) = rows_of(gemm(3, time_ns=1), gemm(5, time_ns=1), names="aa")

    assert row.count == 2 * LAYERS
    assert row.flops == LAYERS * RANKS * 2 * 8 * 16 * 8


@pytest.mark.parametrize(
    "pairs",
    [
        Dense(np.array([[[[7.0, 2.0], [3.0, 9.0]]]])),
        Outer(np.array([[[4.0, 6.0]]]), np.array([[[0.5, 0.5]]]), np.ones(1)),
    ],
)
def test_an_exchange_counts_what_leaves_a_rank(pairs):
    (row,) = rows_of(AllToAll("stage", pairs))

    assert row.bytes == LAYERS * 5
    assert (row.flops, row.bound, row.communication) == (0, "network", True)


def test_a_collective_counts_its_buffer():
    (row,) = rows_of(Collective("all_reduce", "stage", np.array([[64.0]])))

    assert row.bytes == LAYERS * 64
