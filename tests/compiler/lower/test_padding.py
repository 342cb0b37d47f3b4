"""Batches are padded to the sizes that vLLM captures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from moec.compiler.ir.batch import Batch, RankBatch
from moec.compiler.ir.graph import Collective, Compute
from moec.compiler.ir.kernels import Attention, ExpertFfn, Gemm
from moec.compiler.lower import lower
from moec.compiler.lower.padding import captured, largest_graph
from moec.dsl.schema import Overhead, Scheduler, Serving
from support.cases import DENSE, MIXTURE, experiment, program


def decodes(*counts: int) -> Batch:
    """That many requests of one new token on each rank."""
    return tuple(RankBatch(np.ones(n, np.int64), np.full(n, 100, np.int64)) for n in counts)


def rows(graph, name: str) -> list[float]:  # type: ignore[no-untyped-def]
    """Rows per rank of the first product called `name`."""
    work = next(op.work for block in graph.blocks for op in block.ops if op.name == name)
    assert isinstance(work, Compute)
    assert isinstance(work.kernel, Gemm)
    return np.broadcast_to(work.kernel.m, (1, graph.world))[0].tolist()


def test_the_captured_sizes_are_vllms() -> None:
    """`[1, 2, 4] + list(range(8, 256, 8)) + list(range(256, largest + 1, 16))`."""
    assert captured(512).tolist() == [1, 2, 4, *range(8, 256, 8), *range(256, 513, 16)]
    assert captured(20).tolist() == [1, 2, 4, 8, 16]
    assert captured(3).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("scheduler", "overhead", "largest"),
    [
        (Scheduler(128, 2048), Overhead(), 256),
        (Scheduler(1024, 2048), Overhead(), 512),
        (Scheduler(100, 150), Overhead(), 150),
        (Scheduler(128, 2048), Overhead(largest_graph=64), 64),
        (Scheduler(128, 2048), Overhead(largest_graph=0), 0),
        (Scheduler(128, 2048), Overhead(execution="eager"), 0),
    ],
)
def test_the_largest_graph(scheduler: Scheduler, overhead: Overhead, largest: int) -> None:
    assert largest_graph(Serving(scheduler, overhead=overhead)) == largest


@pytest.mark.parametrize(("tokens", "padded"), [(1, 1), (3, 4), (5, 8), (8, 8), (241, 248), (249, 256), (257, 257)])
def test_products_run_padded_and_attention_and_head_do_not(tokens: int, padded: int) -> None:
    e = experiment(DENSE, largest_graph=256)
    graph = lower(program(e), decodes(tokens))
    assert rows(graph, "qkv_proj") == [padded]
    assert rows(graph, "lm_head") == [tokens]
    attention = next(op.work for block in graph.blocks for op in block.ops if op.name == "attention")
    assert isinstance(attention, Compute)
    assert isinstance(attention.kernel, Attention)
    assert attention.kernel.decodes.sum() == tokens


def test_ranks_that_share_experts_take_the_largest_ones_size() -> None:
    """5 and 19 tokens: 24 each, so 48 tokens are gathered and routed to 4 experts each."""
    e = experiment(MIXTURE, dp=2, method="allgather_reducescatter", largest_graph=256)
    graph = lower(program(e), decodes(5, 19))
    assert rows(graph, "qkv_proj") == [24, 24]
    works = {op.name: op.work for block in graph.blocks for op in block.ops}
    gather, experts = works["dispatch"], works["experts"]
    assert isinstance(gather, Collective)
    assert gather.bytes.ravel()[0] == 48 * (1024 * 2 + 16 * 2)
    assert isinstance(experts, Compute)
    assert isinstance(experts.kernel, ExpertFfn)
    assert experts.kernel.rows.ravel()[0] == pytest.approx(48 * 4 / 2)


def test_a_rank_beyond_the_largest_graph_takes_the_others_out_of_theirs() -> None:
    """The small batch had been padded by itself before the ranks agreed on running without graphs."""
    e = experiment(MIXTURE, dp=2, method="allgather_reducescatter", largest_graph=16)
    assert rows(lower(program(e), decodes(5, 19)), "qkv_proj") == [8, 19]


def test_ranks_of_a_dense_model_pad_for_themselves() -> None:
    e = experiment(DENSE, dp=2, largest_graph=256)
    assert rows(lower(program(e), decodes(5, 19)), "qkv_proj") == [8, 24]


def test_two_micro_batches_share_the_padding() -> None:
    """5 tokens run as 8: 4 and 4."""
    e = experiment(replace(MIXTURE, layers=1), overlap="two_batch", largest_graph=256)
    graph = lower(program(e), decodes(5))
    products = [op.work for block in graph.blocks for op in block.ops if op.name == "qkv_proj"]
    assert [w.kernel.m.sum() for w in products if isinstance(w, Compute) and isinstance(w.kernel, Gemm)] == [4, 4]
