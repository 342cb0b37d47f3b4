"""From a measured row to the specification that replays it, or to the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

from moec.study.silicon.recipes import SHORTEST, recipe_of
from moec.study.silicon.rows import Row


@dataclass(frozen=True, slots=True)
class Served:
    """A model of the library, and its weights' types by the row's precision: (dense, routed experts)."""

    name: str
    weights: dict[str, tuple[str, str]]


DEEPSEEK = Served("deepseek_v3", {"fp8": ("fp8", "fp8"), "fp4": ("bf16", "fp4")})
MODELS = {
    "openai/gpt-oss-120b": Served("gpt_oss_120b", {"fp4": ("bf16", "mxfp4")}),
    # config.json: 128 × 128 blocks of fp8; nvidia/MiniMax-M2.5-NVFP4: hf_quant_config.json leaves attention in bf16
    "MiniMaxAI/MiniMax-M2.5": Served("minimax_m2", {"fp8": ("fp8", "fp8"), "fp4": ("bf16", "fp4")}),
    "Qwen/Qwen3-235B-A22B-FP8": Served("qwen3_235b_a22b", {"fp8": ("fp8", "fp8")}),
    # config.json: int4 for the routed experts, everything else ignored
    "moonshotai/Kimi-K2.5": Served("kimi_k2", {"int4": ("bf16", "int4"), "fp4": ("bf16", "fp4")}),
    "deepseek-ai/DeepSeek-R1": DEEPSEEK,
    "deepseek-ai/DeepSeek-V3": DEEPSEEK,
    "nvidia/DeepSeek-R1-NVFP4": DEEPSEEK,
    "nvidia/DeepSeek-V3.1-NVFP4": DEEPSEEK,
}
UNLIKE = {
    "Qwen/Qwen3.5-397B-A17B": "linear attention in three layers of four",
    "zhipuai/GLM-5": "sparse attention over an index of its own",
}
"""Mixtures that moec's models cannot express, and why."""

NODES = {"h100_sxm": "dgx_h100", "h200_sxm": "dgx_h200", "b200_sxm": "dgx_b200"}
"""GPU of the rows -> node of the library; all are of eight GPUs behind a switch."""
PER_NODE = 8


def is_mixture(row: Row) -> bool:
    """Whether the row serves a mixture of experts; the other models of the table are dense."""
    return not row.model.startswith(("meta-llama/", "nvidia/Llama-", "Qwen/Qwen3-32B", "nvidia/Qwen3-32B"))


def obstacle(row: Row) -> str | None:
    """Why the row cannot be replayed, in one line that begins with a word for the kind of reason; None when it can."""
    if row.model in UNLIKE:
        return f"model: {UNLIKE[row.model]}"
    if row.model not in MODELS:
        return "model: not in moec's library"
    if row.gpu not in NODES:
        return f"device: {row.gpu} is not among the GPUs that are compared"
    if row.precision not in MODELS[row.model].weights:
        return f"model: no such weights, {row.precision or 'none told'}"
    return _about_plan(row)


def _about_plan(row: Row) -> str | None:
    ranks, experts = row.tp * row.dp, max(row.expert_tp, 1) * max(row.ep, 1)
    if not row.expert_tp and not row.ep:
        return "plan: that of the experts is not told"
    if row.tp > 1 and row.dp == row.tp and row.ep == row.tp**2:
        # the dumps' flag for attention DP: the script ran either DP or TP on `tp` GPUs, and the label fits neither
        return "plan: ambiguous labels, attention DP inside or instead of TP"
    if ranks != experts:
        return f"plan: labels that contradict each other, attention on {ranks} GPUs, experts on {experts}"
    if ranks > PER_NODE:
        return f"plan: {ranks} GPUs span nodes, whose network is not told"
    if row.expert_tp > 1 and row.ep > 1:
        return "plan: experts split both ways were not measured"
    if row.pp > 1:
        return "plan: pipeline stages"
    return None


def specification(row: Row, waves: int, tokens: str = "balanced") -> str:
    """The row as a `.moe` text, with `waves` requests for each one in flight."""
    recipe, served = recipe_of(row), MODELS[row.model]
    dense, experts = served.weights[row.precision]
    return dedent(f"""\
        moe 1
        # {row.id}
        use "std/models" as models
        use "std/hardware" as hw

        experiment row {{
          model = models.{served.name} {{ dtype {{ weights = {dense}, experts = {experts}, kv_cache = {recipe.kv_cache} }} }}
          cluster {{ nodes = 1, node = hw.{NODES[row.gpu]} {{ devices = {row.tp * row.dp} }} }}
          parallelism {{
            attention {{ tp = {row.tp}, dp = {row.dp} }}
            experts {{ {_experts(row)} }}
            exchange {{ method = {"allreduce" if row.dp == 1 else "allgather_reducescatter"} }}
          }}
          serving {{
            scheduler {{ max_sequences = {recipe.sequences}, max_batched_tokens = {recipe.budget} }}
            overhead {{ largest_graph = {recipe.largest_graph} }}
            kv_cache {{ memory = {recipe.memory}, block = {recipe.block}, prefix_caching = false }}
          }}
          workload {{
            requests = lengths(input: {_length(row.isl)}, output: {_length(row.osl)}, count: {waves * row.concurrency})
            arrivals = closed_loop(concurrency: {row.concurrency})
          }}
          costs = silicon(engine: {row.engine}, mxfp4: {recipe.mxfp4}, tokens: {tokens})
        }}
        """)


def _experts(row: Row) -> str:
    if row.tp * row.dp == 1:
        return "ep = 1"
    return f"ep = {row.ep}" if row.ep > 1 else "ep = 1, shard = tensor" + (f", tp = {row.tp * row.dp}")


def _length(nominal: int) -> str:
    return f"uniform(low: {int(nominal * SHORTEST)}, high: {nominal})"
