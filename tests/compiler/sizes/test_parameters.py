"""Parameter counts against closed forms from papers, and which layers are what."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moec.compiler.ir.kernels import Attention, ExpertFfn, Gemm
from moec.compiler.sizes.parameters import (
    KINDS,
    attends_fully,
    attention_parameters_per_rank,
    is_moe_layer,
    layer_parameters,
    parameters,
    weight_dtype,
)
from moec.dsl.schema import Ffn, Gqa, Mla, Model, ModelDtypes, Moe

GPT = Model(96, 12288, 50257, Gqa(96, 96, 128), Ffn(49152, gated=False), tied_embeddings=True, learned_positions=2048)
MIXTRAL = Model(32, 4096, 32000, Gqa(32, 8, 128), moe=Moe(8, 2, 14336))
LATENT = Mla(heads=128, kv_rank=512, nope_dim=128, rope_dim=64, v_dim=128, q_rank=1536)
DEEPSEEK = Model(61, 7168, 129280, LATENT, Ffn(18432), Moe(256, 8, 2048, shared=1, first_dense=3))


def test_dense_layer_has_twelve_hidden_squared():
    # Megatron-LM (arXiv 2104.04473), section 3.3: 12 h^2 weights per layer, (V + s) h outside.
    counts = parameters(GPT)
    assert counts.attention + counts.dense_ffn == 12 * 96 * 12288**2
    assert counts.embedding == (50257 + 2048) * 12288
    assert counts.head == 0
    assert counts.active == counts.total


def test_dense_layer_flops_are_megatrons():
    # Megatron-LM (arXiv 2104.04473), appendix: one layer forward is 24 B s h^2 + 4 B s^2 h (scores not halved for causality).
    h, s = 12288, 2048
    shapes = ((3 * h, h), (h, h), (4 * h, h), (h, 4 * h))
    products = sum(Gemm(np.array(float(s)), n, k, "bf16", "bf16").flops for n, k in shapes)
    zero, one = np.zeros(1), np.ones(1)
    scores = Attention(one, one * s, one * s * s, one * s, zero, zero, zero, 96, 96, 128, 128, "bf16", "bf16")
    assert products + scores.flops == 24 * s * h**2 + 4 * s**2 * h
    assert products == 2 * s * (layer_parameters(GPT, 0).attention + layer_parameters(GPT, 0).dense_ffn)


def test_mixture_layer_weights_and_flops():
    # Mixtral (arXiv 2401.04088), section 2.1: E experts of three h x f matrices, K of them per token.
    layer = layer_parameters(MIXTRAL, 0)
    assert layer.routed_experts == 8 * 3 * 4096 * 14336
    assert layer.active_experts == 2 * 3 * 4096 * 14336
    assert layer.router == 8 * 4096
    tokens = np.array(1000.0)
    experts = ExpertFfn(tokens * 2, np.array(8.0), 4096, 14336, True, "bf16", "bf16")
    assert experts.flops == 2 * tokens * layer.active_experts


def test_latent_attention_is_deepseeks():
    # DeepSeek-V2 (arXiv 2405.04434), section 2.1.2 and appendix C: W_DQ, W_UQ and W_QR, W_DKV and W_KR, W_UK and W_UV, W_O.
    h = 7168
    expected = h * 1536 + 1536 * 128 * 192 + h * (512 + 64) + 512 * 128 * 256 + 128 * 128 * h
    layer = layer_parameters(DEEPSEEK, 0)
    assert layer.attention == expected
    assert layer.norms == 2 * h + 1536 + 512


def test_deepseek_layers_and_active_share():
    counts = parameters(DEEPSEEK)
    assert counts.routed_experts == 58 * 256 * 3 * 7168 * 2048
    assert counts.shared_experts == 58 * 3 * 7168 * 2048
    assert counts.dense_ffn == 3 * 3 * 7168 * 18432
    assert counts.active == counts.total - 58 * 248 * 3 * 7168 * 2048


def test_small_things_are_counted():
    plain = Model(1, 64, 10, Gqa(4, 2, 16), moe=Moe(4, 2, 32))
    rich = Model(
        1, 64, 10, Gqa(4, 2, 16, bias=True, qk_norm=True, sinks=True), moe=Moe(4, 2, 32, bias=True, shared=1, shared_gate=True)
    )  # fmt: skip
    before, after = parameters(plain), parameters(rich)
    assert after.attention - before.attention == (4 + 2 * 2) * 16 + 64 + 4
    assert after.norms - before.norms == 2 * 16
    assert after.router - before.router == 4
    assert after.routed_experts - before.routed_experts == 4 * (2 * 32 + 64)
    assert after.shared_experts == 3 * 64 * 32 + 64


def test_whole_model_is_the_sum_of_its_layers():
    model = Model(8, 64, 100, Gqa(4, 2, 16), Ffn(128), Moe(4, 1, 32, first_dense=2, every=2), learned_positions=7)
    layers = [layer_parameters(model, i) for i in range(8)]
    whole = parameters(model)
    for kind in KINDS:
        outside = {"embedding": 107 * 64, "head": 100 * 64, "norms": 64}.get(kind, 0)
        assert whole.of(kind) == sum(layer.of(kind) for layer in layers) + outside


def test_which_layers_are_mixtures():
    maverick = Model(6, 64, 10, Gqa(4, 2, 16), Ffn(128), Moe(4, 1, 32, every=2))
    assert [is_moe_layer(maverick, i) for i in range(6)] == [False, True] * 3
    deepseek = Model(5, 64, 10, Gqa(4, 2, 16), Ffn(128), Moe(4, 1, 32, first_dense=3))
    assert [is_moe_layer(deepseek, i) for i in range(5)] == [False] * 3 + [True] * 2
    assert not is_moe_layer(Model(1, 64, 10, Gqa(4, 2, 16), Ffn(128)), 0)


def test_which_layers_attend_fully():
    def layers(attention: Gqa | Mla) -> list[bool]:
        return [attends_fully(Model(4, 64, 10, attention, Ffn(128)), i) for i in range(4)]

    assert layers(Gqa(4, 2, 16)) == [True] * 4
    assert layers(LATENT) == [True] * 4
    assert layers(Gqa(4, 2, 16, window=8, full_every=2)) == [False, True, False, True]
    assert layers(Gqa(4, 2, 16, window=8)) == [False] * 4


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("routed_experts", "mxfp4"), ("attention", "fp8"), ("router", "bf16"), ("norms", "bf16"), ("embedding", "bf16")],
)
def test_quantised_checkpoints_leave_the_ends_alone(kind, expected):
    model = Model(1, 64, 10, Gqa(4, 2, 16), moe=Moe(4, 2, 32), dtype=ModelDtypes(weights="fp8", experts="mxfp4"))
    assert weight_dtype(model, kind) == expected


@given(
    tp=st.sampled_from([1, 2, 4, 8]), kv_heads=st.sampled_from([1, 2, 4, 8]), bias=st.booleans(), sinks=st.booleans()
)
def test_ranks_together_hold_every_head_at_least_once(tp, kv_heads, bias, sinks):
    model = Model(1, 64, 10, Gqa(8, kv_heads, 16, bias=bias, sinks=sinks), Ffn(128))
    held, whole = tp * attention_parameters_per_rank(model, tp), layer_parameters(model, 0).attention
    repeated = max(0, tp - kv_heads) * 2 * 16 * (64 + (1 if bias else 0)) + (tp - 1) * 64 * bias
    assert held == whole + repeated


def test_latent_down_projections_are_on_every_rank():
    one, eight = (attention_parameters_per_rank(DEEPSEEK, tp) for tp in (1, 8))
    replicated = 7168 * (1536 + 512 + 64)
    assert one == layer_parameters(DEEPSEEK, 0).attention
    assert eight == pytest.approx(replicated + (one - replicated) / 8)
