"""Which measured layers an op of the graph stands for."""

from __future__ import annotations

from collections.abc import Mapping

from moec.dsl.schema import Experiment, Gqa

Calls = tuple[tuple[str, int], ...]
"""Layers of the profile, and how often one op calls each."""

LAYERS: Mapping[str, Calls] = {
    "embedding": (("embedding", 1),),
    "attn_norm": (("layernorm", 1),),
    "qkv_proj": (("qkv_proj", 1),),
    # The profiler divides a module's time by its calls, and queries and keys are normed apart.
    "rope": (("rotary_emb", 1), ("qk_norm", 2)),
    "o_proj": (("o_proj", 1),),
    "ffn_norm": (("layernorm", 1),),
    "gate_up_proj": (("gate_up_proj", 1),),
    "act": (("act_fn", 1),),
    "down_proj": (("down_proj", 1),),
    "final_norm": (("final_layernorm", 1),),
    "lm_head": (("lm_head", 1),),
    "sample": (("sampler", 1),),
}
"""Op -> layers of `dense.csv` and `per_sequence.csv`."""

ATTENTION = "attention"
EXPERTS = "experts"
"""The ops that `attention.csv` and `moe.csv` are for."""

BLOCK = ("router", "top_k", "moe_sum")
"""Ops that `moe.csv` measured together with `experts`, and the shared expert's besides."""


def wanted(experiment: Experiment) -> dict[str, Calls]:
    """Op -> layers that a profile of the experiment's model has in `dense.csv` and `per_sequence.csv`."""
    model = experiment.model
    attention = model.attention
    found = dict(LAYERS)
    if not isinstance(attention, Gqa):
        for op in ("qkv_proj", "rope"):
            del found[op]
    elif not attention.qk_norm:
        found["rope"] = (("rotary_emb", 1),)
    if model.ffn is None:
        for op in ("gate_up_proj", "act", "down_proj"):
            del found[op]
    return found
