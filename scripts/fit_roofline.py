"""Fits the constants of `moec.compiler.costs.curves` to measured kernel times and prints what is left over.

The measurements are the vLLM tables of the package aiconfigurator-core 0.12.0 (NVIDIA, Apache-2.0). Nothing of them is
kept here: `pip install --no-deps aiconfigurator-core==0.12.0 && pip install pandas pyarrow pyyaml scipy`, then

    python scripts/fit_roofline.py [--data DIRECTORY]

with the package's `systems` directory when it is not installed. Rows that are left out, and why:

- GPUs without tables of the three kinds for vLLM (A30, L4, PCIe cards), and the one that is not a GPU of NVIDIA's;
- times below the time of the memory traffic ÷ 0.95: repeated calls found their data in the last-level cache;
- experts: synthetic routing other than balanced (how many experts were touched is not recorded), more than 512 tokens
  on one of several expert-parallel ranks (the kernel then handles the other ranks' rows, too);
- experts in fp8 per tensor on Hopper and in fp8 blocks on Blackwell, products in fp8 blocks: kernels known to be slow
  there (a bf16 product takes less time);
- attention through Triton (a fallback), sliding windows, fp8 caches, chunks of fewer than 16 tokens.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib.resources
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy.optimize import least_squares

from moec.compiler.costs.curves import Curves, quantise_ns
from moec.compiler.costs.roofline import Roofline
from moec.compiler.ir.kernels import Attention, Elementwise, ExpertFfn, Gemm, Kernel
from moec.dsl.schema import Compute, Device, Dtype

GPUS = (
    "a100_sxm",
    "h100_sxm",
    "h200_sxm",
    "b200_sxm",
    "b300_sxm",
    "gb200",
    "gb300",
    "l40s",
    "rtx_pro_6000_server",
)
HOPPER = ("h100_sxm", "h200_sxm")
# Last-level caches in MB, from NVIDIA's data sheets and architecture papers; used for elementwise kernels alone.
CACHES = {"h100_sxm": 50, "h200_sxm": 50, "l40s": 96, "rtx_pro_6000_server": 128}
# Memory bandwidths of NVIDIA's data sheets, where the package has others (the RTX PRO 6000's is the Workstation Edition's).
BANDWIDTHS = {"b200_sxm": 8e12, "b300_sxm": 8e12, "rtx_pro_6000_server": 1.597e12}
SAMPLE = 2500


@dataclasses.dataclass(frozen=True)
class Rows:
    """Measurements of one GPU: a kernel whose counts are arrays, microseconds, and the regime of each row."""

    gpu: str
    device: Device
    kernel: Kernel
    us: np.ndarray
    regime: np.ndarray

    def model_us(self, curves: Curves) -> np.ndarray:
        """The model's times."""
        return Roofline(curves).estimate(self.kernel, self.device).time_ns / 1e3


@dataclasses.dataclass(frozen=True)
class Conversions(Rows):
    """The same for conversions of activations to fp8, which are no kernel of their own in moec."""

    def model_us(self, curves: Curves) -> np.ndarray:
        """The model's times; three bytes of traffic are one element."""
        return quantise_ns(np.asarray(self.kernel.bytes) / 3, "fp8", self.device, curves) / 1e3


@functools.cache
def device_of(systems: Path, gpu: str) -> Device:
    """The data sheet's peaks, and the share of the memory bandwidth that long reads reach."""
    facts = yaml.safe_load((systems / f"{gpu}.yaml").read_text())["gpu"]
    compute = Compute(facts["bfloat16_tc_flops"], fp8=facts.get("fp8_tc_flops"), fp4=facts.get("fp4_tc_flops"))
    bandwidth = BANDWIDTHS.get(gpu, facts["mem_bw"])
    device = Device(facts["mem_capacity"], bandwidth, compute, llc=CACHES.get(gpu, 0) * 1e6 or None)
    return dataclasses.replace(device, streaming=streaming(systems, gpu) / bandwidth)


def streaming(systems: Path, gpu: str) -> float:
    """Bytes per second: the middle between the 95th percentiles of products of up to 64 rows with half a gigabyte of
    weights and more, and of decode attention over a gigabyte of cache and more.
    """
    f = table(systems, gpu, "gemm/gemm")
    f = f[(f.gemm_dtype == "bfloat16") & (f.m <= 64) & (f.n * f.k > 2.5e8)]
    weights = np.quantile(dense("bf16")(f).bytes / f.latency, 0.95)
    f = table(systems, gpu, "attention/generation_attention")
    f = f[(f.kv_cache_dtype == "bfloat16") & (f.window_size == 0) & f.head_dim.isin([64, 128])].reset_index()
    size = np.asarray(decodes(f).bytes)
    return 1e3 * float(np.sqrt(weights * np.quantile(size[size > 1e9] / f.latency[size > 1e9], 0.95)))


def table(systems: Path, gpu: str, path: str) -> pd.DataFrame | None:
    """The newest vLLM table of a GPU."""
    kind, name = path.split("/")
    found = sorted((systems / "data" / gpu / kind / "vllm").glob(f"*/{name}_perf.parquet"))
    if not found:
        return None
    frame = pd.read_parquet(found[-1])
    for absent, value in (("window_size", 0), ("kv_cache_dtype", "bfloat16")):
        if absent not in frame:
            frame[absent] = value
    return frame


def rows_of(gpu: str, device: Device, frame: pd.DataFrame, make: Callable[[pd.DataFrame], Kernel], regime: str) -> Rows:
    """A sample of the distinct shapes, without what came out of a cache. `regime` names a column."""
    shapes = [c for c in frame.columns if c not in ("latency", "regime")]
    frame = frame.groupby(shapes, as_index=False).agg(latency=("latency", "median"))
    frame = frame.sample(min(len(frame), SAMPLE), random_state=0).astype(dict.fromkeys(shapes, float))
    floor = np.asarray(make(frame).bytes) / device.bandwidth * 1e3
    frame = frame[floor < 0.95 * frame.latency.to_numpy()]
    return Rows(gpu, device, make(frame), frame.latency.to_numpy() * 1e3, REGIMES[regime](frame))


def dense(weights: Dtype) -> Callable[[pd.DataFrame], Kernel]:
    """Products with bf16 in and out."""
    return lambda f: Gemm(
        f.m.to_numpy(), f.n.to_numpy(), f.k.to_numpy(), weights, "fp4" if weights == "fp4" else "bf16"
    )


def experts(weights: Dtype) -> Callable[[pd.DataFrame], Kernel]:
    """Gated experts of the first expert-parallel rank, tokens dealt out evenly."""

    def make(f: pd.DataFrame) -> Kernel:
        pairs = (f.num_tokens * f.topk).to_numpy()
        share = f.moe_ep_size.to_numpy()
        active = np.maximum(np.minimum(pairs, f.num_experts.to_numpy()) / share, 1)
        width = (f.inter_size / f.moe_tp_size).to_numpy()
        kind = "fp4" if weights == "fp4" else "bf16"
        return ExpertFfn(pairs / share, active, f.hidden_size.to_numpy(), width, True, weights, kind)

    return make


def prompts(f: pd.DataFrame) -> Kernel:
    """Whole prompts, nothing cached before."""
    n, length, width = (f[c].to_numpy() for c in ("batch_size", "isl", "head_dim"))
    tokens, none = n * length, np.zeros(len(f))
    heads, kv = f.num_heads.to_numpy(), f.num_key_value_heads.to_numpy()
    kv = np.where(kv == 0, heads, kv)
    pairs = n * length * (length + 1) / 2
    return Attention(n, tokens, pairs, tokens, none, none, none, heads, kv, width, width, "bf16", "bf16")


def decodes(f: pd.DataFrame) -> Kernel:
    """One new token per sequence."""
    n, context, width = (f[c].to_numpy() for c in ("batch_size", "step", "head_dim"))
    context, none = context + 1, np.zeros(len(f))
    heads, kv = f.num_heads.to_numpy(), f.num_key_value_heads.to_numpy()
    kv = np.where(kv == 0, heads, kv)
    return Attention(none, none, none, none, n, n * context, context, heads, kv, width, width, "bf16", "bf16")


def cut(values: np.ndarray, edges: dict[str, float]) -> np.ndarray:
    """Names of the intervals that values fall into; each edge is the upper one, inclusive."""
    return np.array(list(edges))[np.searchsorted(list(edges.values()), values)]


TOP = float("inf")
REGIMES: dict[str, Callable[[pd.DataFrame], np.ndarray]] = {
    "gemm": lambda f: cut(f.m.to_numpy(), {"to 64 rows": 64, "65-512 rows": 512, "over 512 rows": TOP}),
    "experts": lambda f: cut(
        (f.num_tokens * f.topk / np.minimum(f.num_tokens * f.topk, f.num_experts)).to_numpy(),
        {"to 4 rows an expert": 4, "5-64 rows an expert": 64, "over 64 rows an expert": TOP},
    ),
    "prompts": lambda f: cut(f.isl.to_numpy(), {"to 512 tokens": 512, "to 2k tokens": 2048, "over 2k tokens": TOP}),
    "decodes": lambda f: cut(
        np.asarray(decodes(f).bytes), {"to 10 MB of cache": 1e7, "to 200 MB of cache": 2e8, "over 200 MB of cache": TOP}
    ),
    "elementwise": lambda f: cut((f.m * f.k * 3).to_numpy(), {"to 16 MB": 1.6e7, "over 16 MB": TOP}),
}


def gemm_rows(systems: Path, weights: Dtype, name: str) -> list[Rows]:
    """Dense products of one data type."""
    out = []
    for gpu in GPUS:
        frame = table(systems, gpu, "gemm/gemm")
        keep = frame[(frame.gemm_dtype == name) & (frame.m <= 16384) & (frame.n >= 128) & (frame.k >= 128)]
        if len(keep):
            keep = keep[["m", "n", "k", "latency"]]
            out.append(rows_of(gpu, device_of(systems, gpu), keep, dense(weights), "gemm"))
    return out


def experts_rows(systems: Path, weights: Dtype, names: tuple[str, ...]) -> list[Rows]:
    """Routed experts of one data type."""
    columns = [
        "num_tokens",
        "hidden_size",
        "inter_size",
        "topk",
        "num_experts",
        "moe_tp_size",
        "moe_ep_size",
        "latency",
    ]
    out = []
    for gpu in GPUS:
        frame = table(systems, gpu, "moe/moe")
        mine = names if weights != "fp8" else ("fp8_block",) if gpu in HOPPER else ("fp8",)
        keep = frame[frame.moe_dtype.isin(mine) & (frame.distribution == "balanced")]
        keep = keep[
            ((keep.moe_ep_size == 1) | (keep.num_tokens <= 512)) & (keep.num_tokens * keep.topk >= keep.moe_ep_size)
        ]
        if len(keep):
            out.append(rows_of(gpu, device_of(systems, gpu), keep[columns], experts(weights), "experts"))
    return out


def attention_rows(systems: Path, phase: str) -> list[Rows]:
    """Prompts or decode steps."""
    context = phase == "context"
    step, make, regime = ("isl", prompts, "prompts") if context else ("step", decodes, "decodes")
    out = []
    for gpu in GPUS:
        frame = table(systems, gpu, f"attention/{phase}_attention")
        keep = frame[
            (frame.kv_cache_dtype == "bfloat16") & (frame.window_size == 0) & frame.head_dim.isin([64, 128, 256])
        ]
        keep = keep[~keep.kernel_source.str.contains("triton") & (keep.isl >= 16 if context else keep.step <= 65536)]
        keep = keep[["batch_size", step, "num_heads", "num_key_value_heads", "head_dim", "latency"]]
        out.append(rows_of(gpu, device_of(systems, gpu), keep, make, regime))
    return out


def lone_rows(systems: Path) -> list[Rows]:
    """Long single prompts on one or two heads: a few tiles walk far."""
    data = attention_rows(systems, "context")
    return [chosen(r, (r.kernel.chunks * r.kernel.heads <= 2) & (r.kernel.chunk_tokens >= 4096)) for r in data]


def large_rows(systems: Path) -> list[Rows]:
    """Decode steps over so much cache that nothing but its traffic counts."""
    return [chosen(rows, np.asarray(rows.kernel.bytes) > 2e8) for rows in attention_rows(systems, "generation")]


def chosen(rows: Rows, keep: np.ndarray) -> Rows:
    """Some of the rows of attention."""
    counts = (v[keep] for v in dataclasses.astuple(rows.kernel)[:11])
    return Rows(rows.gpu, rows.device, Attention(*counts, "bf16", "bf16"), rows.us[keep], rows.regime[keep])


def elementwise_rows(systems: Path) -> list[Rows]:
    """Conversion of activations to fp8 with a known scale: two bytes in, one out."""
    return [Rows(gpu, *conversion(systems, gpu, scales=False)) for gpu in CACHES]


def conversion_rows(systems: Path) -> list[Rows]:
    """The same with scales that are computed on the way, one for each token."""
    return [Conversions(gpu, *conversion(systems, gpu, scales=True)) for gpu in GPUS if gpu != "a100_sxm"]


def conversion(systems: Path, gpu: str, scales: bool) -> tuple[Device, Kernel, np.ndarray, np.ndarray]:
    """What `Rows` holds. The package has the time with a known scale, and how much longer an unknown one takes."""
    frame = table(systems, gpu, "quantize/scale_matrix")[["m", "k", "latency"]]
    if scales:
        more = table(systems, gpu, "quantize/computescale")[["m", "k", "latency"]]
        frame = frame.merge(more, on=["m", "k"]).assign(latency=lambda f: f.latency_x + f.latency_y)
    kernel = Elementwise((frame.m * frame.k * 3.0).to_numpy())
    return device_of(systems, gpu), kernel, frame.latency.to_numpy() * 1e3, REGIMES["elementwise"](frame)


def log_ratio(curves: Curves, data: list[Rows]) -> np.ndarray:
    """log(model ÷ measurement), GPU after GPU."""
    return np.concatenate([np.log(r.model_us(curves) / r.us) for r in data])


def fit(curves: Curves, data: list[Rows], names: tuple[str, ...]) -> Curves:
    """The constants `names`, by least squares of the log ratio with outliers damped beyond 10 %."""
    first = np.array([getattr(curves, name) for name in names])
    # No share of the memory bandwidth above one.
    most = np.array([1e-9 - np.log(f) if n.endswith("_memory") else 5.0 for n, f in zip(names, first, strict=True)])

    def at(x: np.ndarray) -> Curves:
        return dataclasses.replace(curves, **{n: float(v) for n, v in zip(names, np.exp(x) * first, strict=True)})

    start = np.minimum(0.0, most - 1e-3)
    found = least_squares(lambda x: log_ratio(at(x), data), start, loss="soft_l1", f_scale=0.1, bounds=(-5, most))
    return at(found.x)


def spread(error: np.ndarray) -> str:
    """Median and 90th percentile of |model ÷ measurement − 1|."""
    size = np.abs(np.expm1(error))
    return f"{100 * np.median(size):4.0f} {100 * np.quantile(size, 0.9):4.0f}" if len(size) else "   -    -"


def report(title: str, fitted: Curves, before: Curves, data: list[Rows], names: tuple[str, ...]) -> None:
    """Constants, then the residuals per GPU and regime with that GPU left out of the fit."""
    print(f"\n{title}: " + ", ".join(f"{n} = {getattr(fitted, n):.4g}" for n in names))
    regimes = sorted({str(r) for rows in data for r in rows.regime}, key=lambda r: (r[0] == "o", r[0] != "t", r))
    print(
        f"  {'left out':22}{'rows':>6}  {'all':>9}  " + "  ".join(f"{r:>22}" for r in regimes) + "   (median, p90 in %)"
    )
    left, where = [], []
    for rows in data:
        others = [r for r in data if r is not rows]
        typical = dataclasses.replace(before, streaming=float(np.median([r.device.streaming for r in others])))
        unknown = dataclasses.replace(rows, device=dataclasses.replace(rows.device, streaming=None))
        error = log_ratio(fit(typical, others, names), [unknown])
        left.append(error)
        where.append(rows.regime)
        cells = [spread(error[rows.regime == r]) for r in regimes]
        print(f"  {rows.gpu:22}{len(error):6}  {spread(error)}  " + "  ".join(f"{c:>22}" for c in cells))
    error, regime = np.concatenate(left), np.concatenate(where)
    for label, values in (("all, left out", error), ("all, in the fit", log_ratio(fitted, data))):
        cells = [spread(values[regime == r]) for r in regimes]
        print(f"  {label:22}{len(values):6}  {spread(values)}  " + "  ".join(f"{c:>22}" for c in cells))


def stages(systems: Path) -> list[tuple[str, list[Rows], tuple[str, ...]]]:
    """What is fitted to what, in order; later stages keep the constants of earlier ones."""
    floor = ("experts_start", "experts_memory", "experts_pad", "experts_passes", "experts_bf16")
    return [
        ("elementwise", elementwise_rows(systems), ("elementwise_start", "elementwise_memory", "cache_rate")),
        (
            "products, bf16",
            gemm_rows(systems, "bf16", "bfloat16"),
            ("gemm_start", "gemm_loop", "gemm_memory", "gemm_bf16"),
        ),
        ("products, fp8", gemm_rows(systems, "fp8", "fp8"), ("quantise", "quantise_passes", "gemm_fp8")),
        ("conversions to fp8", conversion_rows(systems), ("quantise", "quantise_passes")),
        ("products, fp4", gemm_rows(systems, "fp4", "nvfp4"), ("gemm_fp4",)),
        ("experts, bf16", experts_rows(systems, "bf16", ("bfloat16",)), floor),
        ("experts, fp8", experts_rows(systems, "fp8", ()), ("experts_fp8",)),
        ("experts, fp4", experts_rows(systems, "fp4", ("nvfp4",)), ("experts_fp4",)),
        (
            "experts, 4-bit weights",
            experts_rows(systems, "mxfp4", ("w4a16_mxfp4", "int4_wo")),
            ("unpack", "unpack_rate"),
        ),
        (
            "attention, prompts",
            attention_rows(systems, "context"),
            ("attention_start", "attention_compute", "attention_width", "prefill_pad", "prefill_item", "prefill_walk"),
        ),
        ("attention, lone tiles", lone_rows(systems), ("prefill_tile",)),
        ("attention, large decodes", large_rows(systems), ("attention_memory",)),
        ("attention, decode", attention_rows(systems, "generation"), ("decode_item", "decode_walk")),
    ]


def latent_check(systems: Path, curves: Curves) -> None:
    """Nanoseconds per cached position of absorbed latent attention: the slope of the whole module's time between 65,536
    and 131,072 positions at 128 sequences, where nothing but attention grows. Not in the fit.
    """
    print("\nlatent attention, decode, not fitted (model ÷ measured): ", end="")
    for gpu in (g for g in GPUS if g[0] in "hbg"):
        frame, device = table(systems, gpu, "mla/mla_generation_module"), device_of(systems, gpu)
        frame = frame[
            (frame.kv_cache_dtype == "bfloat16") & (frame.gemm_type == "bfloat16") & (frame.batch_size == 128)
        ]
        for heads in (16, 128):
            mine = frame[frame.num_heads == heads].groupby("step").latency.median() * 1e6
            context = np.array([65536.0, 131072.0])
            if not set(context) <= set(mine.index):
                continue
            counts = (0, 0, 0, 0, 128, 128 * context, context)
            kernel = Attention(*counts, heads, 1, 576, 512, "bf16", "bf16", latent=True)
            model = np.diff(Roofline(curves).estimate(kernel, device).time_ns)[0]
            print(f"{gpu} {heads} heads {model / (mine[131072] - mine[65536]):.2f}", end="; ")
    print()


def main() -> None:
    """Fits, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="the package's `systems` directory")
    systems = parser.parse_args().data or Path(str(importlib.resources.files("aiconfigurator_core"))) / "systems"
    shares = {gpu: device_of(systems, gpu).streaming for gpu in GPUS}
    print("streaming: " + ", ".join(f"{gpu} {share:.3f}" for gpu, share in shares.items()))
    curves = Curves(streaming=float(np.median(list(shares.values()))))
    for title, data, names in stages(systems):
        before, curves = curves, fit(curves, data, names)
        report(title, curves, before, data, names)
    latent_check(systems, curves)
    print("\n" + "\n".join(f"    {f.name}: float = {getattr(curves, f.name):.4g}" for f in dataclasses.fields(curves)))


if __name__ == "__main__":
    main()
