"""A stand-in for the package aiconfigurator-core: its layout and units, times that follow written laws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

CURRENT = {"vllm": "0.24.0", "sglang": "0.5.14", "trtllm": "1.3.0rc20", "nccl": "2.29.2"}
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
SIDES = (256, 1024, 4096)

Table = list[dict[str, object]]


def product_ms(m: float, n: float, k: float) -> float:
    """A bf16 product: 4 us and a nanosecond for every 50,000 multiplications."""
    return 0.004 + m * n * k / 5e10


def mixture_ms(touched: float, rows: float) -> float:
    """20 us, 2 us for each touched expert, 10 ns for each row beyond one per expert."""
    return 0.020 + 0.002 * touched + 1e-5 * max(rows - touched, 0.0)


def decode_ms(batch: float, context: float) -> float:
    """8 us and 10 ns for every 16 cached positions."""
    return 0.008 + batch * context / 1.6e6


def prompt_ms(batch: float, length: float) -> float:
    """9 us, 1 ns a token and 1 ns for every 100 pairs of tokens."""
    return 0.009 + batch * (1e-6 * length + 1e-8 * length * length)


def reduced_ms(elements: float) -> float:
    """4 us and a microsecond for every 100,000 elements."""
    return 0.004 + elements / 1e8


def products(name: str = "bfloat16", factor: float = 1.0, kernel: str = "torch.nn.functional.linear") -> Table:
    return [
        {"kernel_source": kernel, "gemm_dtype": name, "m": m, "n": n, "k": k, "latency": factor * product_ms(m, n, k)}
        for m in ROWS for n in SIDES for k in SIDES
    ]  # fmt: skip


def mixtures(
    name: str = "bfloat16", *, ep: int = 1, tp: int = 1, kernel: str = "triton", distribution: str = "balanced",
    factor: float = 1.0, hidden: int = 2048, inter: int = 1024, top_k: int = 8, experts: int = 64,
) -> Table:  # fmt: skip
    def time(tokens: int) -> float:
        pairs = tokens * top_k
        return factor * mixture_ms(min(pairs, experts) / ep, pairs / ep)

    return [
        {
            "kernel_source": kernel, "moe_dtype": name, "num_tokens": tokens, "hidden_size": hidden, "inter_size": inter,
            "topk": top_k, "num_experts": experts, "moe_tp_size": tp, "moe_ep_size": ep, "distribution": distribution,
            "latency": time(tokens),
        }
        for tokens in ROWS
    ]  # fmt: skip


def attention(phase: str, heads: int = 16, kv_heads: int = 16, width: int = 128, window: int = 0) -> Table:
    common = {
        "kernel_source": "fa3", "num_heads": heads, "num_key_value_heads": 0 if heads == kv_heads else kv_heads,
        "head_dim": width, "window_size": window, "kv_cache_dtype": "bfloat16",
    }  # fmt: skip
    batches, lengths = (1, 2, 8, 64), (128, 1024, 4096)
    if phase == "generation":
        return [
            {**common, "batch_size": b, "step": s - 1, "latency": decode_ms(b, s)} for b in batches for s in lengths
        ]
    return [{**common, "batch_size": b, "isl": s, "latency": prompt_ms(b, s)} for b in batches for s in lengths]


def all_reduces(gpus: Iterable[int] = (2, 4, 8)) -> Table:
    return [
        {
            "kernel_source": f"vLLM_custom_{mode}", "allreduce_dtype": "bfloat16", "num_gpus": n, "message_size": size,
            "latency": reduced_ms(size) + (0.02 if mode == "eager" else 0.0),
        }
        for n in gpus for size in (128, 8192, 1_048_576) for mode in ("graph", "eager")
    ]  # fmt: skip


def collectives(gpus: Iterable[int] = (2, 4, 8)) -> Table:
    return [
        {"kernel_source": "NCCL", "nccl_dtype": dtype, "op_name": op, "num_gpus": n, "message_size": size, "latency": 2 * reduced_ms(size)}
        for op in ("all_gather", "reduce_scatter", "all_reduce", "alltoall") for n in gpus for size in (256, 1_048_576)
        for dtype in ("half", "int8")
    ]  # fmt: skip


def whole_device() -> dict[tuple[str, str, str], Table]:
    """(family, engine, table) -> rows of what OLMoE-1B-7B needs on one device and on several."""
    return {
        ("gemm", "vllm", "gemm"): products(),
        ("moe", "vllm", "moe"): [*mixtures(), *mixtures(ep=2)],
        ("attention", "vllm", "context_attention"): attention("context"),
        ("attention", "vllm", "generation_attention"): attention("generation"),
        ("comm", "vllm", "custom_allreduce"): all_reduces(),
        ("comm", "nccl", "nccl"): collectives(),
    }


class Stand:
    """A package folder that can be imported from, but says so loudly when its code runs."""

    def __init__(self, folder: Path) -> None:
        self.systems = folder / "aiconfigurator_core" / "systems"
        self.systems.mkdir(parents=True)
        (folder / "aiconfigurator_core" / "__init__.py").write_text("raise RuntimeError('the package was run')\n")

    def write(self, device: str, tables: Mapping[tuple[str, str, str], Table], version: str | None = None) -> None:
        pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        for (family, engine, name), rows in tables.items():
            folder = self.systems / "data" / device / family / engine / (version or CURRENT[engine])
            folder.mkdir(parents=True, exist_ok=True)
            parquet.write_table(pa.Table.from_pylist(rows), folder / f"{name}_perf.parquet")

    def measurements(self, rows: Table) -> None:
        columns = list(rows[0])
        lines = [",".join(columns), *(",".join(str(row[c]) for c in columns) for row in rows)]
        (self.systems / "silicon_sample.csv").write_text("\n".join(lines) + "\n")


def measurement(**changes: object) -> dict[str, object]:
    """A row of `silicon_sample.csv` as InferenceMAX's dumps have it."""
    concurrency = changes.pop("concurrency", 4)
    row = {
        "id": "gptoss_c4", "silicon_data_source": f"source_file=2026-03-25.csv; silicon_concurrency={concurrency}; measured=2026-03-27T08:01:51Z",
        "backend": "vllm", "backend_version": "0.18.0", "model_path": "openai/gpt-oss-120b", "system": "h100_sxm",
        "precision": "fp4", "mode": "agg", "isl": 1024, "osl": 1024, "batch_size": f"{concurrency}.0", "tp_size": "2.0",
        "pp_size": "1.0", "attention_dp_size": "1.0", "moe_tp_size": "2.0", "moe_ep_size": "1.0",
        "silicon_ttft_ms": 60.0, "silicon_tpot_ms": 5.0,
    }  # fmt: skip
    return {**row, **changes}
