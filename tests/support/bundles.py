"""A small profile bundle of a made-up GPU, in the format of LLMServingSim 2.0: every time follows a law written here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

TOKENS = (*range(1, 17), 24, 32, 64, 128, 256, 512)
CHUNKS, CACHED, DECODES, CONTEXTS = (16, 64, 256, 512), (0, 16, 128, 1024), (1, 4, 16, 64), (16, 128, 1024, 4096)
ACTIVE = (4, 8, 16)
DENSE = {
    "embedding": (3.0, 0.01), "layernorm": (2.0, 0.02), "qkv_proj": (20.0, 0.25), "qk_norm": (1.5, 0.03),
    "rotary_emb": (2.5, 0.02), "o_proj": (15.0, 0.125), "gate_up_proj": (90.0, 0.5), "act_fn": (2.25, 0.05),
    "down_proj": (45.0, 0.25), "final_layernorm": (2.125, 0.03),
}  # fmt: skip
HEADS = {"lm_head": (300.0, 0.5), "sampler": (8.0, 0.75)}
META = """\
profiler_version: 1.0.0
gpu: A made-up GPU
variant: bf16
tp_degrees: [1, 2]
engine_effective:
  max_num_seqs: 64
  hf_overrides:
    num_attention_heads: 8
    num_key_value_heads: 4
    vocab_size: 16000
skew_fit:
  enabled: true
  per_tp:
    1:
      alpha_default: 0.25
    2:
      alpha_default: 0.5
"""


def attention_us(chunk: float, cached: float, decodes: float, context: float) -> float:
    """Linear in query–key pairs and in cached positions read; a chunk beside decode tokens costs a little more."""
    pairs = chunk * cached + chunk * (chunk + 1) / 2
    return 8 + pairs / 4096 + decodes * context / 1024 + (2 if chunk and decodes else 0)


def experts_us(tokens: float, active: float) -> float:
    """Linear in both."""
    return 60 + 20 * active + tokens / 4


def write_bundle(folder: Path, *, degrees: tuple[int, ...] = (1, 2), moe: bool = True) -> Path:
    """The bundle in `folder`, which is made; `moe.csv` is in `tp1` alone."""
    for tp in degrees:
        place = folder / f"tp{tp}"
        place.mkdir(parents=True)
        _write(place / "dense.csv", "layer,tokens,time_us", _lines(DENSE, TOKENS, tp))
        _write(place / "per_sequence.csv", "layer,sequences,time_us", _lines(HEADS, (1, 2, 4, 8, 16, 64), tp))
        header = "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us"
        _write(place / "attention.csv", header, (f"{','.join(map(str, p))},{attention_us(*p) / tp}" for p in points()))
        header = "pc,n_label,skew_rate_label,kv_big_label,kp_label,alpha,n_samples"
        _write(place / "skew_fit.csv", header, _skew())
        if moe and tp == 1:
            pairs = ((t, a) for t in (1, 4, 16, 64, 256) for a in ACTIVE if a <= 4 * t)
            _write(
                place / "moe.csv", "tokens,activated_experts,time_us", (f"{t},{a},{experts_us(t, a)}" for t, a in pairs)
            )
    (folder / "meta.yaml").write_text(META)
    return folder


def points() -> Iterator[tuple[int, int, int, int]]:
    """The attention grid: prompts alone, decode tokens alone, both; beside a prompt with half of the decode tokens."""
    prompts = [(c, x) for c in CHUNKS for x in CACHED]
    decodes = [(n, k) for n in DECODES for k in CONTEXTS]
    yield from ((c, x, 0, 0) for c, x in prompts)
    yield from ((0, 0, n, k) for n, k in decodes)
    yield from ((c, x, n, k) for c, x in prompts for n, k in decodes if n < DECODES[-1])


def _lines(layers: dict[str, tuple[float, float]], counts: tuple[int, ...], tp: int) -> Iterator[str]:
    for layer, (start, each) in layers.items():
        yield from (f"{layer},{n},{(start + each * n) / tp}" for n in counts)


def _skew() -> Iterator[str]:
    """Shares of 0.5 in every bucket without a prompt; one that no measurement can mean; prompts have the default."""
    for n in ("n<=4", "n<=16", "n>16"):
        for rate in ("sr<=15%", "sr<=70%", "sr>70%"):
            for longest in ("kvB<=1k", "kvB>1k"):
                alpha = -735.0 if rate == "sr<=15%" else 0.5
                yield f"0,{n},{rate},{longest},kp=0,{alpha},4"
    yield "16,n<=4,sr<=15%,kvB<=1k,kp=0,27,4"


def _write(path: Path, header: str, lines: Iterator[str]) -> None:
    path.write_text("\n".join([header, *lines]) + "\n")


def shuffled(path: Path, seed: int = 0) -> None:
    """Puts the rows of a CSV into another order."""
    header, *lines = path.read_text().splitlines()
    order = np.random.default_rng(seed).permutation(len(lines))
    path.write_text("\n".join([header, *(lines[i] for i in order)]) + "\n")
