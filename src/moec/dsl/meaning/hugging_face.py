"""What the fields of Hugging Face's model configs are called here (transformers, `configuration_*.py`)."""

from __future__ import annotations

HUGGING_FACE: dict[str, str] = {
    "hidden_size": "`hidden`",
    "n_embd": "`hidden`",
    "d_model": "`hidden`",
    "num_hidden_layers": "`layers`",
    "n_layer": "`layers`",
    "vocab_size": "`vocab`",
    "num_attention_heads": "`heads` of `attention = gqa { … }`",
    "n_head": "`heads` of `attention = gqa { … }`",
    "num_key_value_heads": "`kv_heads` of `attention = gqa { … }`",
    "sliding_window": "`window` of `attention = gqa { … }`",
    "attention_bias": "`bias` of `attention = gqa { … }`",
    "kv_lora_rank": "`kv_rank` of `attention = mla { … }`",
    "q_lora_rank": "`q_rank` of `attention = mla { … }`",
    "qk_nope_head_dim": "`nope_dim` of `attention = mla { … }`",
    "qk_rope_head_dim": "`rope_dim` of `attention = mla { … }`",
    "v_head_dim": "`v_dim` of `attention = mla { … }`",
    "intermediate_size": "`intermediate` of `ffn { … }`",
    "ffn_hidden_size": "`intermediate` of `ffn { … }`",
    "moe_intermediate_size": "`intermediate` of `moe { … }`",
    "num_experts": "`experts` of `moe { … }`",
    "n_routed_experts": "`experts` of `moe { … }`",
    "num_local_experts": "`experts` of `moe { … }`",
    "num_experts_per_tok": "`top_k` of `moe { … }`",
    "num_experts_per_token": "`top_k` of `moe { … }`",
    "n_shared_experts": "`shared` of `moe { … }`",
    "shared_expert_intermediate_size": "`shared_intermediate` of `moe { … }`",
    "first_k_dense_replace": "`first_dense` of `moe { … }`",
    "moe_layer_freq": "`every` of `moe { … }`",
    "decoder_sparse_step": "`every` of `moe { … }`",
    "n_group": "`groups` of `moe { … }`",
    "topk_group": "`group_limit` of `moe { … }`",
    "tie_word_embeddings": "`tied_embeddings`",
    "torch_dtype": "`weights` of `dtype { … }`",
}
"""Field of a config -> where it stands in a `model` block."""

MODEL_PARTS = frozenset({"Model", "Gqa", "Mla", "Ffn", "Moe", "ModelDtypes"})
"""The classes of the schema that describe a model."""
