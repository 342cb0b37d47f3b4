"""How the measured engines were started: what the public scripts of InferenceMAX say, and the engines' own defaults.

Source: SemiAnalysisAI/InferenceX, `benchmarks/single_node/*.sh` and `benchmark_lib.sh`, state of 2026-04-26 (commit 100a5ec), by
which time all rows had been measured; the workload is `--random-range-ratio 0.8` (`.github/workflows/benchmark-tmpl.yml`), that is,
lengths drawn uniformly from 0.8 of the nominal ones to the nominal ones, ten requests for each one in flight, all sent at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from moec.dsl.schema import Dtype
from moec.study.silicon.rows import Row

SHORTEST = 0.8
"""Of the nominal length."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """`budget`: tokens of an iteration; `sequences`: requests at once, 0 for as many as are in flight; `memory`: share of the
    device's; `block`: tokens; `largest_graph`: captured up to so many tokens.
    """

    budget: int = 8192
    sequences: int = 1024
    memory: float = 0.9
    kv_cache: Dtype = "bf16"
    block: int = 16
    largest_graph: int = 512
    mxfp4: str = "w4a16"


VLLM = Recipe()
"""vLLM's defaults for its server on GPUs of 70 GiB and more (`EngineArgs.get_batch_defaults`, 0.16 to 0.19)."""
SGLANG = Recipe(budget=16384, sequences=256, memory=0.85, kv_cache="fp8", block=64, largest_graph=256)
TRTLLM = Recipe(budget=8192, sequences=0, memory=0.85, kv_cache="fp8", block=32, largest_graph=512)
PLAIN = {"vllm": VLLM, "sglang": SGLANG, "trtllm": TRTLLM}

RECIPES: dict[tuple[str, str, str, str], Recipe] = {
    ("vllm", "openai/gpt-oss-120b", "b200_sxm", "fp4"): replace(
        VLLM, sequences=512, kv_cache="fp8", largest_graph=2048, mxfp4="w4a8"
    ),
    ("vllm", "openai/gpt-oss-120b", "h200_sxm", "fp4"): replace(VLLM, sequences=0, largest_graph=2048),
    ("vllm", "openai/gpt-oss-120b", "h100_sxm", "fp4"): replace(VLLM, sequences=0, largest_graph=2048),
    ("vllm", "MiniMaxAI/MiniMax-M2.5", "b200_sxm", "fp8"): replace(
        VLLM, budget=-2, kv_cache="fp8", block=32, largest_graph=2048
    ),
    ("vllm", "MiniMaxAI/MiniMax-M2.5", "b200_sxm", "fp4"): replace(VLLM, budget=-2, kv_cache="fp8", largest_graph=2048),
    ("vllm", "MiniMaxAI/MiniMax-M2.5", "h100_sxm", "fp8"): replace(VLLM, sequences=256),
    ("vllm", "MiniMaxAI/MiniMax-M2.5", "h200_sxm", "fp8"): replace(VLLM, memory=0.95),
    ("vllm", "moonshotai/Kimi-K2.5", "b200_sxm", "fp4"): replace(
        VLLM, budget=-2, sequences=0, kv_cache="fp8", largest_graph=2048
    ),
    ("vllm", "moonshotai/Kimi-K2.5", "b200_sxm", "int4"): replace(VLLM, sequences=0, memory=0.95),
    ("vllm", "moonshotai/Kimi-K2.5", "h200_sxm", "int4"): replace(VLLM, sequences=0, memory=0.95),
    ("sglang", "deepseek-ai/DeepSeek-R1", "h200_sxm", "fp8"): replace(
        SGLANG, budget=32768, sequences=512, memory=0.82, kv_cache="bf16", largest_graph=512
    ),
    ("trtllm", "openai/gpt-oss-120b", "b200_sxm", "fp4"): replace(TRTLLM, budget=20000, mxfp4="w4a8"),
    ("trtllm", "openai/gpt-oss-120b", "h200_sxm", "fp4"): replace(TRTLLM, budget=20000),
}
"""By engine, model, GPU and precision. A negative budget is a multiple of the nominal prompt."""


SINCE = "2026-01-01"
"""Rows measured before ran other scripts."""

SPECULATIVE = {("trtllm", "1.2.0rc6.post3")}
"""Engine and version that served DeepSeek only with multi-token prediction (recipes `dsr1-…-trt-mtp`)."""

EITHER = {
    ("trtllm", "1.1.0rc2.post2", "h200_sxm", "fp8"),
    ("trtllm", "1.1.0rc2.post2", "b200_sxm", "fp8"),
    ("trtllm", "1.1.0rc2.post2", "b200_sxm", "fp4"),
    ("sglang", "0.5.9", "b200_sxm", "fp8"),
    ("sglang", "0.5.8", "b200_sxm", "fp8"),
    ("sglang", "0.5.8.post1", "b200_sxm", "fp8"),
}
"""What served DeepSeek both with and without multi-token prediction: engine, version, GPU, precision (recipes `dsr1-…-mtp`)."""

UNMEASURED = {
    ("trtllm", "", "DeepSeek", "b200_sxm", "fp8"): "TensorRT-LLM's own mixture, the tables have DeepGEMM's",
    ("vllm", "0.17.0", "MiniMax", "b200_sxm", "fp8"): "Triton's mixture, the tables have FlashInfer's",
}
"""Engine, version, model, GPU, precision (empty: any) -> the kernel that the recipe asks for and the tables lack: `moe_config: backend:
TRTLLM` in dsr1_fp8_b200_trt.sh, VLLM_USE_FLASHINFER_MOE_FP8=0 and VLLM_MOE_USE_DEEP_GEMM=0 in minimaxm2.5_fp8_b200.sh until
2026-04-01.
"""


def _run(row: Row) -> tuple[str, str, str, str, str]:
    family = next((name for name in ("DeepSeek", "MiniMax") if name in row.model), row.model)
    return row.engine, row.version, family, row.gpu, row.precision


def unclear(row: Row) -> str | None:
    """Why it is not known how the row's engine was started; None when it is."""
    if not row.inference_max:
        return "settings: the source does not tell how the engine was started"
    if row.measured < SINCE:
        return "settings: measured before 2026, with scripts and engines that are not told"
    kernel = next(
        (k for asked, k in UNMEASURED.items() if all(x in ("", y) for x, y in zip(asked, _run(row), strict=True))), None
    )
    if kernel is not None:
        return f"kernel: the recipe asks for {kernel}"
    if "DeepSeek" not in row.model:
        return None
    if (row.engine, row.version) in SPECULATIVE:
        return "speculative: this image served with multi-token prediction"
    if (row.engine, row.version, row.gpu, row.precision) in EITHER:
        return "speculative: this image served with and without multi-token prediction, which is not told"
    return None


def recipe_of(row: Row) -> Recipe:
    """The settings of a row's engine."""
    model = row.model.replace("DeepSeek-V3", "DeepSeek-R1")  # one architecture; dumps call it either
    recipe = RECIPES.get((row.engine, model, row.gpu, row.precision), PLAIN[row.engine])
    budget = recipe.budget if recipe.budget > 0 else -recipe.budget * row.isl
    return replace(recipe, budget=budget, sequences=recipe.sequences or row.concurrency)
