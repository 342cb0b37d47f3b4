"""Memory of one rank: weights by kind, KV bytes, blocks, and what is said when it does not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moec.compiler.check.fit import nearest_fit
from moec.compiler.check.memory import check_memory, memory_of
from moec.compiler.check.plan import check_plan
from moec.compiler.sizes.activations import activation_bytes
from moec.compiler.sizes.layout import layout_of
from moec.compiler.sizes.parameters import KINDS, parameters, weight_dtype
from moec.diagnostics import Span, has_errors
from moec.dsl.schema import (
    DTYPE_BYTES,
    AttentionPlan,
    Cluster,
    Compute,
    Device,
    Eplb,
    Exchange,
    Experiment,
    ExpertPlan,
    Ffn,
    Gqa,
    KvCache,
    Mla,
    Model,
    ModelDtypes,
    Moe,
    Node,
    Parallelism,
    Scheduler,
    Serving,
)

GIB = 2**30
QWEN3_30B = Model(48, 2048, 151936, Gqa(32, 4, 128, qk_norm=True), moe=Moe(128, 8, 768))
LLAMA_8B = Model(32, 4096, 128256, Gqa(32, 8, 128), Ffn(14336))
DEEPSEEK = Model(
    61, 7168, 129280, Mla(128, 512, 128, 64, 128, 1536), Ffn(18432), Moe(256, 8, 2048, shared=1, first_dense=3),
    ModelDtypes(weights="fp8"),
)  # fmt: skip
GPT_OSS = Model(
    36, 2880, 201088, Gqa(64, 8, 64, window=128, full_every=2, bias=True, sinks=True),
    moe=Moe(128, 4, 2880, bias=True), dtype=ModelDtypes(experts="mxfp4"),
)  # fmt: skip


def on(
    memory: float, model: Model = QWEN3_30B, *, tp: int = 1, dp: int = 1, pp: int = 1, experts: ExpertPlan | None = None,
    scheduler: Scheduler | None = None, nodes: int = 1, method: str = "allgather_reducescatter", **cache: object,
) -> Experiment:  # fmt: skip
    """`model` on nodes of eight GPUs of `memory` bytes."""
    device = Device(memory, 1e12, Compute(1e15, fp8=2e15))
    exchange = Exchange() if model.moe is None else Exchange(method)  # type: ignore[arg-type]
    return Experiment(
        model,
        Cluster(nodes, Node(device, 8)),
        Parallelism(AttentionPlan(tp, dp), experts or ExpertPlan(), pp, exchange),
        serving=Serving(scheduler or Scheduler(), KvCache(**cache)),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("model", "kib"), [(QWEN3_30B, 96), (LLAMA_8B, 128), (DEEPSEEK, 68.625), (GPT_OSS, 72)], ids=["gqa", "dense", "mla", "window"]
)  # fmt: skip
def test_kv_bytes_per_token(model, kib):
    assert memory_of(on(80e9, model)).kv_bytes_per_token == kib * 1024


def test_key_value_heads_are_split_then_repeated_and_latents_always_repeated():
    per_token = {tp: memory_of(on(80e9, tp=tp)).kv_bytes_per_token / 1024 for tp in (1, 2, 4, 8, 16)}
    assert per_token == {1: 96, 2: 48, 4: 24, 8: 24, 16: 24}
    assert memory_of(on(80e9, DEEPSEEK, tp=8)).kv_bytes_per_token == 68.625 * 1024


def test_one_rank_holds_everything():
    for model in (QWEN3_30B, LLAMA_8B, GPT_OSS):
        report, counts = memory_of(on(80e9, model)), parameters(model)
        for kind in KINDS:
            exact = counts.of(kind) * DTYPE_BYTES[weight_dtype(model, kind)]
            assert report.weights[kind] == pytest.approx(exact, abs=1)


def test_what_vllm_loads():
    """Logged by vLLM ("Model loading took … GiB"): 14.99 for Llama-3.1-8B, 56.93 and, at TP 2, 28.48 for Qwen3-30B-A3B."""
    assert memory_of(on(80e9, LLAMA_8B)).weights_bytes / GIB == pytest.approx(14.99, rel=0.003)
    assert memory_of(on(80e9)).weights_bytes / GIB == pytest.approx(56.93, rel=0.003)
    assert memory_of(on(80e9, tp=2)).weights_bytes / GIB == pytest.approx(28.48, rel=0.003)


def test_what_vllm_leaves_for_the_cache():
    """Logged by vLLM V1 on one GPU with default limits ("GPU KV cache size"): 150,272 tokens for Qwen3-Coder-30B-A3B (the
    same dimensions) on 80 GB, 163,168 for Llama-3.1-8B on an A100 40 GB. On one GPU its non-torch memory is about 0.1 GB."""
    assert memory_of(on(79.18 * GIB, runtime=1e8)).kv_tokens == pytest.approx(150_272, rel=0.01)
    assert memory_of(on(39.49 * GIB, LLAMA_8B, runtime=1e8)).kv_tokens == pytest.approx(163_168, rel=0.01)


def test_blocks_by_hand():
    report = memory_of(on(80e9, dp=2, runtime=2e9))
    room = int(80e9 * 0.9) - 2_000_000_000 - report.activations - report.weights_bytes
    assert report.kv_blocks == room // (16 * 96 * 1024)
    assert report.kv_tokens == 16 * report.kv_blocks
    assert report.free == room


def test_given_blocks_are_taken_as_they_are():
    report = memory_of(on(80e9, blocks=1234, block=32))
    assert (report.kv_blocks, report.kv_tokens) == (1234, 1234 * 32)


def test_experts_over_ranks_replicas_included():
    one = 3 * 2048 * 768 * 2 * 48
    plan = ExpertPlan(redundant=32, placement=Eplb())
    assert memory_of(on(80e9, dp=8)).weights["routed_experts"] == 16 * one
    assert memory_of(on(80e9, dp=8, experts=plan)).weights["routed_experts"] == 20 * one
    assert memory_of(on(80e9, dp=8, experts=ExpertPlan(tp=2))).weights["routed_experts"] == 16 * one
    assert memory_of(on(80e9, dp=8, experts=ExpertPlan(shard="tensor"))).weights["routed_experts"] == 16 * one


def test_what_attention_tensor_parallelism_splits():
    one, four = (memory_of(on(80e9, DEEPSEEK, tp=tp)).weights for tp in (1, 4))
    for kind in ("dense_ffn", "shared_experts", "embedding", "head", "routed_experts"):
        assert four[kind] == pytest.approx(one[kind] / 4, abs=1)
    assert four["router"] == one["router"]
    assert four["norms"] == one["norms"]
    assert one["attention"] / 4 < four["attention"] < one["attention"] / 3


def test_fp8_latent_attention_keeps_its_up_projections_in_bf16_too():
    report = memory_of(on(80e9, DEEPSEEK))
    assert report.stage.unpacked == 61 * 512 * 128 * 256 * 2
    assert memory_of(on(80e9, replace(DEEPSEEK, dtype=ModelDtypes()))).stage.unpacked == 0


def test_pipeline_stages_together_hold_the_model_once():
    whole, stages = memory_of(on(80e9)), memory_of(on(80e9, pp=5)).stages
    assert [s.layers for s in stages] == [9, 10, 10, 10, 9]
    for kind in KINDS:
        assert sum(s.weights[kind] for s in stages) == whole.weights[kind]
    assert stages[0].weights["embedding"] > 0 == stages[0].weights["head"]
    assert stages[4].weights["head"] > 0 == stages[4].weights["embedding"]
    assert sum(s.kv_per_token for s in stages) == whole.kv_bytes_per_token


def test_tied_embedding_is_copied_to_the_last_stage():
    tied = replace(LLAMA_8B, tied_embeddings=True)
    assert memory_of(on(80e9, tied)).weights["head"] == 0
    last = memory_of(on(80e9, tied, pp=2)).stages[1]
    assert last.weights["head"] == 128256 * 4096 * 2


def test_sliding_layers_cost_a_window_per_slot():
    scheduler = Scheduler(max_sequences=100, max_batched_tokens=1000)
    stage = memory_of(on(80e9, GPT_OSS, scheduler=scheduler)).stage
    assert stage.kv_growth == stage.kv_per_token / 2
    # 127 tokens before the newest touch at most 9 blocks of 16.
    assert stage.window_reserve == (100 * 9 * 16 + 1000) * 18 * 2 * 8 * 64 * 2


def test_layers_that_only_slide_are_charged_in_full():
    sliding = replace(LLAMA_8B, attention=Gqa(32, 8, 128, window=4096))
    assert memory_of(on(80e9, sliding)).kv_blocks == memory_of(on(80e9, LLAMA_8B)).kv_blocks


def test_activation_peak_by_hand():
    e = on(80e9, LLAMA_8B, scheduler=Scheduler(max_sequences=1, max_batched_tokens=4096))
    # Residual and hidden state, gate and up, their product, the output: (2 h + 3 f + h) x 2 B per token.
    assert activation_bytes(e, layout_of(e)) == 4096 * (3 * 4096 + 3 * 14336) * 2
    e = on(80e9, LLAMA_8B, scheduler=Scheduler(max_sequences=512, max_batched_tokens=512))
    assert activation_bytes(e, layout_of(e)) == 512 * 2 * 4096 * 2 + 512 * 128256 * (2 + 12)


def test_gathered_tokens_need_buffers_for_all_pairs():
    scheduler = Scheduler(max_sequences=1, max_batched_tokens=4096)
    gathered = on(80e9, dp=8, scheduler=scheduler)
    sent = on(80e9, dp=8, scheduler=scheduler, method="alltoall")
    # All ranks' pairs against an eighth of them; outputs (2048, reusing the first product's 2 x 768) and products (768) in bf16.
    pairs = 8 * 4096 * 8
    difference = activation_bytes(gathered, layout_of(gathered)) - activation_bytes(sent, layout_of(sent))
    assert difference == (pairs - pairs // 8) * (2048 + 768) * 2


@settings(max_examples=40, deadline=None)
@given(tp=st.sampled_from([1, 2, 4]), dp=st.sampled_from([1, 2, 4, 8]), memory=st.floats(70e9, 200e9))
def test_more_memory_never_means_fewer_blocks(tp, dp, memory):
    small, large = (memory_of(on(size, tp=tp, dp=dp)).kv_blocks for size in (memory, memory * 1.1))
    assert large > small


def spans(*paths: str) -> dict[str, Span]:
    return {path: Span("plan.moe", i + 1, 1, i + 1, 9) for i, path in enumerate(paths)}


def test_what_fits_is_not_mentioned():
    assert check_memory(on(80e9)) == []


def test_experts_that_do_not_fit():
    e = on(79.18 * GIB, DEEPSEEK, dp=8, experts=ExpertPlan(ep=8, redundant=32, placement=Eplb()), method="alltoall")
    e = replace(e, spans=spans("parallelism.experts", "cluster.node"))
    (found,) = check_memory(e)
    assert (found.code, found.title) == ("M301", "the experts do not fit in GPU memory")
    assert found.label == "288 experts / 8 GPUs = 36 each, 92.0 GB in fp8; all weights: 113.1 GB"
    assert found.span == e.spans["parallelism.experts"]
    (node,) = found.labels
    assert node.span == e.spans["cluster.node"]
    assert node.text.startswith("85.0 GB per GPU, of which 0.9 is used: 76.5 GB, less 4.8 GB of activations")
    assert found.help.startswith("`nodes = 2`, `attention.dp = 16`, `experts.ep = 16`, with a `network`: 67.1 GB")


def test_weights_of_a_dense_model_that_do_not_fit():
    (found,) = check_memory(on(10 * GIB, LLAMA_8B))
    assert found.title == "the weights do not fit in GPU memory"
    assert found.label == "the dense networks / 1 GPU: 11.3 GB in bf16; all weights: 16.1 GB"
    assert found.help.startswith("`attention.tp = 2`: 8.0 GB")


def test_weights_fit_but_no_block_does():
    e = on(40e9, LLAMA_8B, scheduler=Scheduler(max_sequences=1024, max_batched_tokens=200_000))
    e = replace(e, spans=spans("cluster.node", "serving.scheduler"))
    (found,) = check_memory(e)
    assert found.title == "no memory is left for a KV block"
    assert [label.text for label in found.labels][1:] == ["activations of 200000 tokens and logits of 1024 sequences"]


def test_given_blocks_that_do_not_fit():
    (found,) = check_memory(on(80e9, blocks=100_000))
    assert found.title == "the KV blocks do not fit in GPU memory beside the weights"
    most = int(found.help.split()[2])
    assert check_memory(on(80e9, blocks=most)) == []
    assert check_memory(on(80e9, blocks=most + 1)) != []


def test_nothing_fits():
    (found,) = check_memory(on(1e9, DEEPSEEK))
    assert found.help.startswith("no plan on more of these GPUs fits")


@settings(max_examples=25, deadline=None)
@given(
    memory=st.floats(12e9, 60e9), tp=st.sampled_from([1, 2, 4]), dp=st.sampled_from([1, 2]),
    model=st.sampled_from([QWEN3_30B, LLAMA_8B, GPT_OSS]),
)  # fmt: skip
def test_the_plan_proposed_really_fits(memory, tp, dp, model):
    e = on(memory, model, tp=tp, dp=dp)
    fit = nearest_fit(e)
    assert fit is not None
    assert not has_errors(check_plan(fit.experiment))
    assert check_memory(fit.experiment) == []
    assert fit.memory.kv_tokens >= 2048
    assert fit.changes or check_memory(e) == []
