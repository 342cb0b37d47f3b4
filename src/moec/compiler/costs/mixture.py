"""The small kernels around a mixture's grouped experts: what they read and write for each token."""

from __future__ import annotations

from moec.arrays import Array
from moec.compiler.ir.kernels import Elementwise, Gemm, Kernel
from moec.compiler.sizes.parameters import weight_dtype
from moec.dsl.schema import DTYPE_BYTES, Model, Moe


def top_k_width(moe: Moe) -> float:
    """Bytes per token: scores are read for the softmax and read again for the top-k."""
    return 2.0 * moe.experts * DTYPE_BYTES["fp32"]


def sum_width(model: Model, moe: Moe) -> float:
    """Bytes per token of the weighted sum over its experts, with the shared expert's output added."""
    branches = 2 + (1 if moe.shared else 0)
    return branches * model.hidden * DTYPE_BYTES[model.dtype.activations]


def shared_width(moe: Moe) -> int:
    """Inner width of the shared experts together, over all tensor-parallel ranks."""
    return moe.shared * (moe.shared_intermediate or moe.intermediate)


def small_kernels(model: Model, moe: Moe, tokens: Array) -> tuple[Kernel, ...]:
    """All kernels of a mixture on one device but the grouped experts, for `tokens`: router, top-k, sum, shared expert."""
    act = model.dtype.activations
    found: list[Kernel] = [
        Gemm(tokens, moe.experts, model.hidden, weight_dtype(model, "router"), act),
        Elementwise(tokens * top_k_width(moe), tokens),
        Elementwise(tokens * sum_width(model, moe), tokens),
    ]
    width, up = shared_width(moe), 2 if moe.gated else 1
    if width:
        weights = weight_dtype(model, "attention")
        found += [
            Gemm(tokens, up * width, model.hidden, weights, act),
            Elementwise(tokens * ((up + 1) * width * DTYPE_BYTES[act]), tokens),
            Gemm(tokens, model.hidden, width, weights, act),
        ]
    return tuple(found)
