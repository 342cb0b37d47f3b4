"""Compares the roofline with kernel profiles of a GPU and prints the relative error per kind of kernel.

    python scripts/check_roofline.py PROFILES

`PROFILES` holds folders like those of LLMServingSim 2.0's profiler (`GPU--model/tpN/dense.csv` and so on). The device and
the two models are the ones that it publishes for vLLM 0.19: RTX PRO 6000 Blackwell, Llama-3.1-8B, Qwen3-30B-A3B.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from moec.compiler.costs.roofline import Roofline
from moec.compiler.ir.kernels import Attention, Elementwise, ExpertFfn, Gemm, Kernel
from moec.dsl.schema import Compute, Device

# NVIDIA RTX PRO 6000 Blackwell Server Edition data sheet; the dense bf16 rate is that at the boost clock of 2430 MHz.
RTX_PRO_6000 = Device(96e9, 1.597e12, Compute(467.8e12, fp8=935.6e12, fp4=1871.2e12), streaming=0.955, llc=128e6)


@dataclass(frozen=True)
class Shape:
    """Of a model, on one of `tp` ranks."""

    hidden: int
    heads: int
    kv_heads: int
    intermediate: int
    vocab: int


SHAPES = {
    "Llama-3.1-8B": Shape(4096, 32, 8, 14336, 128256),
    "Qwen3-30B-A3B-Instruct-2507": Shape(2048, 32, 4, 768, 151936),
}
WIDTH = 128


def columns(path: Path) -> dict[str, np.ndarray]:
    """A CSV by column; numbers where they are numbers."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {k: np.array([r[k] if k == "layer" else float(r[k]) for r in rows]) for k in rows[0]}


def products(folder: Path, shape: Shape, tp: int) -> Iterator[tuple[str, Kernel, np.ndarray, np.ndarray]]:
    """Regime, kernel, measured microseconds, rows."""
    layers = {
        "qkv_proj": ((shape.heads + 2 * shape.kv_heads) * WIDTH // tp, shape.hidden),
        "o_proj": (shape.hidden, shape.heads * WIDTH // tp),
        "gate_up_proj": (2 * shape.intermediate // tp, shape.hidden),
        "down_proj": (shape.hidden, shape.intermediate // tp),
        "lm_head": (shape.vocab // tp, shape.hidden),
    }
    for file, count in (("dense.csv", "tokens"), ("per_sequence.csv", "sequences")):
        data = columns(folder / file)
        for layer, (n, k) in layers.items():
            mine = data["layer"] == layer
            for name, low, high in (("to 64 rows", 1, 64), ("65-512 rows", 65, 512), ("over 512 rows", 513, 9**9)):
                some = mine & (data[count] >= low) & (data[count] <= high)
                yield f"products, {name}", Gemm(data[count][some], n, k, "bf16", "bf16"), data["time_us"][some], some


def elementwise(folder: Path, shape: Shape, tp: int) -> Iterator[tuple[str, Kernel, np.ndarray, np.ndarray]]:
    """Bytes a token: a norm reads and writes states and residual; others read and write their operand."""
    heads = (shape.heads + shape.kv_heads) * WIDTH // tp
    bytes_each = {
        "layernorm": 8 * shape.hidden,
        "act_fn": 6 * shape.intermediate // tp,
        "rotary_emb": 4 * heads,
        "qk_norm": 4 * heads,
    }
    data = columns(folder / "dense.csv")
    for layer, size in bytes_each.items():
        mine = data["layer"] == layer
        if mine.any():
            yield "elementwise", Elementwise(data["tokens"][mine] * size), data["time_us"][mine], mine


def attention(folder: Path, shape: Shape, tp: int) -> Iterator[tuple[str, Kernel, np.ndarray, np.ndarray]]:
    """Chunks alone, decode steps alone, both."""
    data = columns(folder / "attention.csv")
    chunk, cached, n, context = (data[k] for k in ("prefill_chunk", "kv_prefill", "n_decode", "kv_decode"))
    some = chunk > 0
    heads, kv_heads = shape.heads // tp, shape.kv_heads // tp
    for name, mine in (
        ("prompts, none cached", some & (n == 0) & (cached == 0)),
        ("prompts, cached before", some & (n == 0) & (cached > 0)),
        ("decode, to 10 MB of cache", ~some & (n * context * kv_heads * 512 <= 1e7)),
        ("decode, over 10 MB of cache", ~some & (n * context * kv_heads * 512 > 1e7)),
        ("mixed", some & (n > 0)),
    ):
        c, x, s, k = chunk[mine], cached[mine], n[mine], context[mine]
        pairs = c * x + c * (c + 1) / 2
        counts = (1.0 * (c > 0), c, pairs, (c + x) * (c > 0), s, s * k, k * (s > 0))
        yield name, Attention(*counts, heads, kv_heads, WIDTH, WIDTH, "bf16", "bf16"), data["time_us"][mine], mine


def experts(folder: Path, shape: Shape, tp: int) -> Iterator[tuple[str, Kernel, np.ndarray, np.ndarray]]:
    """Routed experts, eight a token."""
    if not (folder / "moe.csv").exists():
        return
    data = columns(folder / "moe.csv")
    for name, low, high in (("to 64 tokens", 1, 64), ("over 64 tokens", 65, 9**9)):
        mine = (data["tokens"] >= low) & (data["tokens"] <= high)
        rows, active = data["tokens"][mine] * 8, data["activated_experts"][mine]
        kernel = ExpertFfn(rows, active, shape.hidden, shape.intermediate // tp, True, "bf16", "bf16")
        yield f"experts, {name}", kernel, data["time_us"][mine], mine


def errors(profiles: Path) -> dict[str, np.ndarray]:
    """model ÷ measurement − 1 by regime, over all folders."""
    model, out = Roofline(), {}
    for folder in sorted(profiles.glob("*--*/tp*")):
        shape, tp = SHAPES[folder.parent.name.split("--")[1]], int(folder.name[2:])
        for part in (products, elementwise, attention, experts):
            for regime, kernel, measured, _ in part(folder, shape, tp):
                error = model.estimate(kernel, RTX_PRO_6000).time_ns / 1e3 / measured - 1
                out.setdefault(regime, []).append(error)
    return {regime: np.concatenate(parts) for regime, parts in out.items()}


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("profiles", type=Path)
    print(f"{'':28}{'rows':>7}{'median |e|':>12}{'p90 |e|':>10}{'median e':>10}   (%)")
    for regime, error in errors(parser.parse_args().profiles).items():
        size = np.abs(error)
        cells = (100 * np.median(size), 100 * np.quantile(size, 0.9), 100 * np.median(error))
        print(f"{regime:28}{len(error):7}{cells[0]:12.0f}{cells[1]:10.0f}{cells[2]:+10.0f}")


if __name__ == "__main__":
    main()
