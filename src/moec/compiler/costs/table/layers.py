"""Which layers of a table an op of the graph stands for, and which layers contain others."""

from __future__ import annotations

from collections.abc import Mapping

LAYERS: Mapping[str, str] = {
    "embedding": "vocab_embedding",
    "attn_norm": "input_layernorm",
    "qkv_proj": "attention/qkv",
    "rope": "attention/rotary_emb",
    "o_proj": "attention/dense",
    "ffn_norm": "post_layernorm",
    "up_proj": "mlp/fc",
    "gate_up_proj": "mlp/fc",
    "act": "mlp/gelu",
    "down_proj": "mlp/proj",
    "router": "moe/gate",
    "final_norm": "ln_f",
    "lm_head": "lm_head",
}
"""Op -> layer whose time it takes, by its tokens (of `lm_head`: sequences)."""

EXPERTS, SHARED = "moe/experts", "moe/shared_expert"
ATTENTION = "attention/wrapper"

CONTAINS: Mapping[str, tuple[str, ...]] = {
    ATTENTION: ("attention/qkv", "attention/rotary_emb", "attention/dense"),
    "mlp/wrapper": ("moe/gate", EXPERTS, SHARED, "moe/shared_expert_gate"),
    SHARED: ("mlp/fc", "mlp/gelu", "mlp/proj"),
}
"""Layers that were timed around others. Without experts `mlp/wrapper` holds what the shared expert holds with them."""

KNOWN = frozenset({*LAYERS.values(), EXPERTS, SHARED, ATTENTION, "mlp/wrapper", "moe/shared_expert_gate"})
