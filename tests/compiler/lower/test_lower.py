"""Lowering: closed forms, conservation, and independence of the parallelism."""

from __future__ import annotations

import numpy as np
import pytest

from moec.backends.fast.backend import FastBackend
from moec.compiler.ir.batch import RankBatch, load_of, windowed_pairs
from moec.compiler.ir.graph import AllToAll, Compute, Graph
from moec.compiler.ir.verify import matrix, verify
from moec.compiler.lower import lower
from moec.compiler.lower.assemble import Kind, runs
from moec.dsl.schema import ExpertPlan, Routing, Zipf
from support.cases import DENSE, INTERLEAVED, MIXTURE, MODELS, SHARED, WINDOWED, experiment, program, random_batch

PLANS = [
    {"tp": 1, "dp": 1},
    {"tp": 2, "dp": 1},
    {"tp": 1, "dp": 4},
    {"tp": 2, "dp": 2},
    {"tp": 2, "dp": 2, "pp": 2},
    {"tp": 4, "dp": 2},
]
METHODS = ["alltoall", "allgather_reducescatter", "allreduce"]


def one_rank(*requests: tuple[int, int]) -> RankBatch:
    new, context = (np.array(x, dtype=np.int64) for x in zip(*requests, strict=True))
    return RankBatch(new, context)


def by_name(graph: Graph, name: str) -> list[Compute | AllToAll]:
    return [op.work for block in graph.blocks for op in block.ops if op.name == name]  # type: ignore[misc]


def total_flops(graph: Graph) -> float:
    """Useful floating-point operations of all ranks: what several ranks repeat counts once."""
    total = 0.0
    for block in graph.blocks:
        for op in block.ops:
            if isinstance(op.work, Compute):
                shape = (block.repeat, block.ranks)
                total += np.broadcast_to(op.work.kernel.flops, shape).sum() / op.work.replicas
    return float(total)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("mode", ["expected", "drawn"])
def test_every_graph_obeys_the_rules(model: str, plan: dict[str, int], mode: str) -> None:
    methods = METHODS if MODELS[model].moe else METHODS[:1]
    overlaps = ["none", "two_batch", *(["shared_expert"] if MODELS[model].moe and MODELS[model].moe.shared else [])]
    batch = random_batch(np.random.default_rng(3), plan["dp"])
    for method in methods:
        for overlap in overlaps if MODELS[model].moe else overlaps[:1]:
            built = program(experiment(MODELS[model], **plan, method=method, overlap=overlap))
            assert verify(lower(built, batch, mode)) == []  # type: ignore[arg-type]


def test_dense_layer_flops_are_the_closed_form() -> None:
    """Per layer 2·T·(attention + ffn weights) + 4·pairs·heads·head_dim; the head 2·sequences·hidden·vocab."""
    graph = lower(program(experiment(DENSE)), (one_rank((100, 0), (1, 50)),))
    weights = 1024 * (16 + 2 * 8) * 64 + 16 * 64 * 1024 + 3 * 1024 * 4096
    pairs = 100 * 101 / 2 + 51
    expected = 4 * (2 * 101 * weights + 4 * pairs * 16 * 64) + 2 * 2 * 1024 * 32000
    assert total_flops(graph) == pytest.approx(expected)


def test_mixture_layer_flops_are_the_closed_form() -> None:
    """Each token visits its router and top_k experts: 2·T·(router + k·3·h·i)."""
    graph = lower(program(experiment(MIXTURE)), (one_rank((64, 0)),), "drawn")
    (experts,) = by_name(graph, "experts")
    assert isinstance(experts, Compute)
    flops = np.broadcast_to(experts.kernel.flops, (6, 1))
    assert np.allclose(flops, 2 * 64 * 4 * 3 * 1024 * 512)


@pytest.mark.slow
@pytest.mark.parametrize("model", [DENSE, MIXTURE, SHARED, WINDOWED, INTERLEAVED], ids=list(MODELS))
def test_flops_do_not_depend_on_the_parallelism(model) -> None:  # type: ignore[no-untyped-def]
    requests = [(200, 0), (1, 700), (1, 31), (17, 400), (1, 5), (90, 0), (1, 1), (1, 2)]
    reference = total_flops(lower(program(experiment(model)), (one_rank(*requests),), "expected"))
    for plan in PLANS:
        dp = plan["dp"]
        batch = tuple(one_rank(*requests[i::dp]) for i in range(dp))
        for method in METHODS if model.moe else METHODS[:1]:
            graph = lower(program(experiment(model, **plan, method=method)), batch, "expected")
            assert total_flops(graph) == pytest.approx(reference, rel=1e-12)


def test_two_micro_batches_do_the_same_work() -> None:
    batch = random_batch(np.random.default_rng(0), 2)
    plain, split = (
        total_flops(lower(program(experiment(SHARED, dp=2, overlap=o)), batch)) for o in ("none", "two_batch")
    )
    assert split == pytest.approx(plain, rel=1e-12)


@pytest.mark.parametrize("model", [MIXTURE, WINDOWED], ids=["mixture", "windowed"])
def test_one_micro_batchs_next_layer_hides_the_others_combine(model) -> None:  # type: ignore[no-untyped-def]
    e = experiment(model, dp=4, overlap="two_batch")
    graph = lower(program(e), (one_rank((512, 0)),) * 4, "drawn")
    timing = FastBackend.of(e).run(graph)
    number, block = max(enumerate(graph.blocks), key=lambda numbered: numbered[1].repeat)
    of = {t.op: t for t in timing.ops if t.block == number}
    sums, combines = ([i for i, op in enumerate(block.ops) if op.name == name] for name in ("moe_sum", "combine"))
    assert block.repeat > 1
    assert (of[sums[0]].start_ns[1:] < of[combines[-1]].end_ns[:-1]).all()


def test_micro_batches_sum_every_mixture_once() -> None:
    for tp, dp, pp in ((1, 4, 1), (1, 2, 2), (2, 2, 1)):
        e = experiment(INTERLEAVED, tp=tp, dp=dp, pp=pp, overlap="two_batch")
        graph = lower(program(e), random_batch(np.random.default_rng(4), dp))
        assert sum(block.repeat * sum(op.name == "moe_sum" for op in block.ops) for block in graph.blocks) == 2 * 4


def test_rows_and_bytes_are_conserved_in_a_draw() -> None:
    """Rows over ranks = tokens × top_k; what a rank sends of a layer = its tokens × ranks they hit."""
    batch = tuple(one_rank((n, 0)) for n in (7, 40, 3, 12))
    e = experiment(MIXTURE, dp=4, routing=Routing(Zipf(1.0), "shuffled", 5), deduplicate=False)
    graph = lower(program(e), batch, "drawn")
    (experts,), (dispatch,), (combine,) = (by_name(graph, n) for n in ("experts", "dispatch", "combine"))
    assert isinstance(experts, Compute) and isinstance(dispatch, AllToAll) and isinstance(combine, AllToAll)
    assert (experts.kernel.rows.sum(axis=-1) == 62 * 4).all()  # type: ignore[union-attr]
    sent = dispatch.pairs.bytes[:, 0]  # type: ignore[union-attr]
    assert (sent.sum(axis=-1) == np.array([7, 40, 3, 12]) * 4 * 1024 * 2).all()
    assert np.array_equal(matrix(combine), np.swapaxes(matrix(dispatch), -1, -2))


def test_alltoall_bytes_of_a_hand_worked_case(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """4 ranks, 4 experts, top-1, all tokens to expert 2 (rank 2): everybody sends rank 2 its tokens, nobody else."""
    counts = tmp_path / "one.csv"
    counts.write_text(
        "layer_id,expert_id,count\n" + "".join(f"{i},{e},{int(e == 2)}\n" for i in range(2) for e in range(4))
    )
    from moec.dsl.schema import Ffn, Gqa, Model, Moe, RoutingTrace

    model = Model(2, 256, 1000, Gqa(4, 4, 64), Ffn(512), Moe(4, 1, 128))
    e = experiment(model, dp=4, routing=Routing(RoutingTrace(str(counts))))
    batch = tuple(one_rank((n, 0)) for n in (2, 3, 5, 7))
    (dispatch,) = by_name(lower(program(e), batch, "drawn"), "dispatch")
    assert isinstance(dispatch, AllToAll)
    row = np.zeros((4, 4))
    row[:, 2] = np.array([2, 3, 0, 7]) * 256 * 2
    assert np.array_equal(matrix(dispatch), np.broadcast_to(row, (2, 1, 4, 4)))


def test_fp8_dispatch_travels_with_its_scales() -> None:
    e = experiment(MIXTURE, dp=4, dispatch="fp8", combine="bf16")
    graph = lower(program(e), random_batch(np.random.default_rng(1), 4))
    (out,), (back,) = (by_name(graph, n) for n in ("dispatch", "combine"))
    assert matrix(back).sum() / matrix(out).sum() == pytest.approx(2 / (1 + 4 / 128))  # type: ignore[arg-type]


def test_windowed_pairs_are_a_count() -> None:
    for new, context, window in [(5, 0, 3), (5, 10, 3), (4, 1, 100), (7, 6, 8), (1, 0, 1)]:
        count = sum(min(context + i + 1, window) for i in range(new))
        assert windowed_pairs(np.array(new), np.array(context), window) == count


def test_windowed_layers_read_only_the_window() -> None:
    load = load_of((one_rank((1, 1000), (300, 0)),), 128)
    assert load.decode_kv == 1001
    assert load.decode_kv_window == 128
    assert load.chunk_kv_window == 300
    assert load.pairs_window < load.pairs


def test_like_layers_fold_into_one_block() -> None:
    d, m, w = Kind(False, True), Kind(True, True), Kind(True, False)
    assert [(r.first, len(r.kinds), r.repeat) for r in runs([d] * 3 + [m] * 58, 0)] == [(0, 1, 3), (3, 1, 58)]
    assert [(r.first, len(r.kinds), r.repeat) for r in runs([w, m] * 18, 0)] == [(0, 2, 18)]
    assert [(r.first, len(r.kinds), r.repeat) for r in runs([d], 0)] == [(0, 1, 1)]


def test_experts_split_over_tensor_ranks_halve_their_width() -> None:
    batch = random_batch(np.random.default_rng(2), 4)
    whole, halved = (
        by_name(lower(program(experiment(MIXTURE, dp=4, experts=ExpertPlan(tp=t))), batch), "experts")[
            0
        ].kernel.intermediate  # type: ignore[union-attr]
        for t in (1, 2)
    )
    assert whole == 2 * halved


def test_a_gathered_token_brings_its_router_logits() -> None:
    """bf16: hidden 1024 and 16 logits of 2 bytes; fp8: 1024 bytes, a scale per 128 of them, 4 ids and 4 weights.

    A link carries all 17 tokens but the smallest rank's 2, which is what it would carry (3/4) of 20 tokens in equal parts.
    """
    batch = tuple(one_rank((n, 0)) for n in (2, 3, 5, 7))
    for dispatch, per_token in (("bf16", 2048 + 32), ("fp8", 1024 + 32 + 32)):
        e = experiment(MIXTURE, dp=4, method="allgather_reducescatter", dispatch=dispatch)
        (gather,) = by_name(lower(program(e), batch), "dispatch")
        assert gather.bytes == 20 * per_token  # type: ignore[union-attr]
