"""Normalising q and k over all heads: ranks hold some of the heads each, so they sum the squares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from moec.compiler.ir.batch import RankBatch
from moec.compiler.ir.graph import Collective, Compute
from moec.compiler.lower import lower, program_of
from moec.compiler.prepare import prepare
from moec.compiler.sizes.parameters import parameters
from moec.dsl.load import load_text

TEXT = """moe 1
use "std/models"
use "std/hardware" as hw
experiment e {{
  model = models.{model}
  cluster {{ nodes = 1, node = hw.dgx_h100 {{ devices = {tp} }} }}
  parallelism {{ attention {{ tp = {tp} }}, experts {{ ep = 1, tp = {tp}, shard = tensor }}, exchange {{ method = allreduce }} }}
}}
"""
TOKENS = 8  # a captured size


def ops(model: str, tp: int) -> dict:
    experiment, report = load_text(TEXT.format(model=model, tp=tp))
    assert experiment is not None, [d.title for d in report.diagnostics]
    prepared, _ = prepare(experiment)
    graph = lower(program_of(prepared.context), (RankBatch(np.full(1, TOKENS), np.zeros(1, dtype=np.int64)),))
    layers = max(graph.blocks, key=lambda block: block.repeat)
    return {op.name: op.work for op in layers.ops}


def test_ranks_sum_two_numbers_a_token():
    found = ops("olmoe_1b_7b", 2)

    assert isinstance(found["qk_norm_all_reduce"], Collective)
    assert found["qk_norm_all_reduce"].bytes.tolist() == [[TOKENS * 2 * 4.0]]
    assert list(found).index("qkv_proj") < list(found).index("qk_norm_all_reduce") < list(found).index("rope")


def test_one_rank_has_nobody_to_ask():
    found = ops("olmoe_1b_7b", 1)

    assert "qk_norm_all_reduce" not in found
    assert isinstance(found["qk_norm"], Compute)
    assert found["qk_norm"].kernel.bytes == pytest.approx(TOKENS * 2 * 16 * 128 * 2)


def test_heads_normalised_alone_need_neither():
    found = ops("qwen3_30b_a3b", 2)

    assert not {"qk_norm", "qk_norm_all_reduce"} & set(found)


def test_the_norms_weights_are_as_wide_as_what_they_scale():
    model = load_text(TEXT.format(model="olmoe_1b_7b", tp=1))[0].model
    alone = replace(model, attention=replace(model.attention, qk_norm_over="head"))

    assert parameters(model).norms - parameters(alone).norms == 16 * (32 * 128 - 2 * 128)
