#!/usr/bin/env python3
"""Keeps the sha256 of everything moec says and writes about many specifications, so that a change can be shown to change nothing.

    .venv/bin/python scripts/output_hashes.py before.json            # examples, benchmarks, conformance, 100 random ones
    .venv/bin/python scripts/output_hashes.py after.json --against before.json

Only the command line is used, so that the script of one revision runs on any other. What depends on the clock of the machine
(`wall_s`) and where files were written is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from moec.cli.main import run

ROOT = Path(__file__).resolve().parents[1]
CLOCK = re.compile(r'"wall_s": *[0-9.e+-]+|\b[0-9.,]+ (?:ms|s) of wall time|wall +[0-9.]+ *m?s')


@dataclass(frozen=True, slots=True)
class Subject:
    """A specification, and what is asked of it. `text` is written to `path` below the temporary folder when it is given."""

    name: str
    path: str
    text: str = ""
    experiment: str = ""
    simulate: bool = True
    compile: bool = True

    @property
    def chosen(self) -> list[str]:
        """The options that choose the experiment."""
        return ["--experiment", self.experiment] if self.experiment else []


def written() -> Iterator[Subject]:
    """The specifications of the repository, experiment by experiment."""
    large = {"iteration_10240", "traces_tp2048", "traces_ep320"}
    slow = {"requests_10k_h100", "wide_ep_10k", "closed_loop"}
    for folder in ("examples", "benchmarks/specs", "astra-sim/conformance"):
        for path in sorted((ROOT / folder).glob("*.moe")):
            text = path.read_text(encoding="utf-8")
            names = re.findall(r"^experiment (\w+)", text, re.M)
            for name in names:
                yield Subject(
                    f"{folder}/{path.name}:{name}", f"{folder}/{path.name}", experiment=name if len(names) > 1 else "",
                    simulate=path.stem not in large, compile=path.stem not in large | slow,
                )  # fmt: skip


MODELS = {
    "olmoe_1b_7b": (16, 1), "mixtral_8x7b": (8, 2), "qwen3_30b_a3b": (4, 8), "deepseek_v2_lite": (16, 4), "gpt_oss_20b": (8, 2),
    "llama_3_1_8b": (8, 1), "phi_mini_moe": (8, 1), "qwen1_5_moe_a2_7b": (4, 4), "llama_4_scout": (8, 8), "qwen3_8b": (8, 1),
}  # fmt: skip
NODES = ["hw.dgx_h100", "hw.dgx_a100", "hw.mi300x_x8", "hw.dgx_b200", "hw.l40s_x8", "hw.dgx_h200"]


def drawn(seed: int) -> Subject:
    """A random specification: most can be simulated, some are refused; both answers count."""
    rng = random.Random(seed)
    pick = rng.choice
    model = pick(list(MODELS))
    tp, dp, pp = pick([1, 1, 2, 4]), pick([1, 2, 4, 8]), pick([1, 1, 1, 2])
    nodes = max(1, -(-tp * dp * pp // 8)) + (rng.random() < 0.1)
    redundant = pick([0, 0, tp * dp, 2 * tp * dp])
    placement = pick(["linear()", "round_robin()", "lpt()", "eplb()"]) if not redundant else "eplb()"
    method = pick(["alltoall", "alltoall", "allgather_reducescatter", "allreduce"])
    overlap = pick(["none", "none", "two_batch", "shared_expert"])
    popularity = pick(["uniform()", "zipf(exponent: 0.8)", "power_law(alpha: 1.2)", "dirichlet(alpha: 0.5)"])
    backend = pick(
        ["fast()"] * 5 + ["fast(routing: drawn)", "fast(network: astra())", "fast(network: astra(congestion: unaware))"]
    )
    few = "drawn" in backend or "astra" in backend
    arrivals = pick(
        [
            "poisson(rate: 30 req/s)",
            "burst()",
            "closed_loop(6)",
            "constant(rate: 15 req/s)",
            "gamma(rate: 20 req/s, cv: 2)",
        ]
    )
    blocks = f"blocks = {rng.randint(60, 400)}" if rng.random() < 0.4 else ""
    preemption = "preemption = swap" if rng.random() < 0.3 else ""
    extra = "per_layer = shuffled," if rng.random() < 0.5 else ""
    text = f"""moe 1
use "std/models"
use "std/hardware" as hw
model m = models.{model} {{ dtype {{ weights = {pick(["bf16", "bf16", "fp8", "int4"])} }} }}
cluster c {{ nodes = {nodes}, node = {pick(NODES)}{", network { link = hw.ndr400, latency = 2 us }" if nodes > 1 else ""} }}
parallelism p {{
  attention {{ tp = {tp}, dp = {dp} }}
  experts {{ redundant = {redundant}, placement = {placement} }}
  pp = {pp}
  exchange {{ method = {method}, dispatch = {pick(["bf16", "fp8"])}, combine = bf16, deduplicate = {pick(["true", "false"])} }}
  overlap = {overlap}
}}
routing r {{ popularity = {popularity}, {extra} seed = {seed} }}
serving s {{
  scheduler {{ max_sequences = {pick([4, 16, 128])}, max_batched_tokens = {pick([256, 1024, 4096])}, chunked_prefill = {pick(["true", "true", "false"])} }}
  kv_cache {{ {", ".join(x for x in (blocks, preemption) if x)} }}
  overhead {{ execution = {pick(["graph", "graph", "eager"])}, asynchronous = {pick(["true", "false"])} }}
  router = {pick(["least_loaded()", "round_robin()"])}
}}
workload w {{
  requests = lengths(input: {pick(["200", "uniform(low: 10, high: 900)", "lognormal(mean: 300, std: 200)"])}, output: {pick(["20", "uniform(low: 1, high: 60)"])}, count: {8 if few else pick([20, 60, 150])})
  arrivals = {arrivals}
  goal {{ ttft_p99 = 1 s, tpot_p99 = 50 ms }}
}}
experiment e {{ model = m, cluster = c, parallelism = p, routing = r, serving = s, workload = w, backend = {backend}, seed = {seed} }}
"""
    return Subject(f"random/{seed}", f"random_{seed}.moe", text, compile=seed % 3 == 0)


def told(arguments: list[str], home: Path) -> str:
    """The exit code, stdout and stderr of a command, with what depends on the machine left out."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(arguments)
    text = f"{code}\n{out.getvalue()}\n{err.getvalue()}".replace(str(home), "HOME")
    return CLOCK.sub("CLOCK", text)


def hashed(text: str | bytes) -> str:
    """Its sha256."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def files(folder: Path, home: Path) -> Iterator[tuple[str, str]]:
    """The hash of each file below `folder`."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.suffix in (".json", ".txt", ".csv") and path.stat().st_size < 50_000_000:
            data = CLOCK.sub("CLOCK", data.decode().replace(str(home), "HOME")).encode()
        yield path.relative_to(folder).as_posix(), hashed(data)


def record(subject: Subject) -> dict[str, str]:
    """Everything that moec says of a subject: `name/what` -> sha256."""
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        os.chdir(home if subject.text else ROOT)
        if subject.text:
            (home / subject.path).write_text(subject.text, encoding="utf-8")
        return {f"{subject.name}/{what}": value for what, value in _asked(subject, home)}


def _asked(subject: Subject, home: Path) -> Iterator[tuple[str, str]]:
    spec, chosen = subject.path, subject.chosen
    if not chosen:
        yield "check", hashed(told(["check", spec], home))
    explained = told(["explain", spec, *chosen, "--json"], home)
    yield "explain.json", hashed(explained)
    yield "explain.txt", hashed(told(["explain", spec, *chosen], home))
    if not explained.startswith("0"):
        return
    if subject.simulate:
        yield "simulate", hashed(told(["simulate", spec, *chosen, "--json", "-o", str(home / "results")], home))
        for name, value in files(home / "results", home):
            yield f"results/{name}", value
    if subject.compile:
        yield from _compiled(spec, chosen, home)


def _compiled(spec: str, chosen: list[str], home: Path) -> Iterator[tuple[str, str]]:
    folder = home / "compiled"
    said = told(["compile", spec, *chosen, "--json", "-o", str(folder)], home)
    yield "compile", hashed(said)
    if not folder.exists():
        return
    listing = dict(files(folder, home))
    yield "compile/files", hashed(json.dumps(listing, sort_keys=True))
    yield "simulate DIR", hashed(told(["simulate", str(folder), "--json"], home))
    for inner in sorted(p for p in folder.iterdir() if p.is_dir()):
        prefix = next(iter(sorted(inner.glob("*.0.et")))).as_posix().removesuffix(".0.et")
        for verb in (["lint"], ["stats"], ["time", "--nodes"]):
            if len(list(inner.glob("*.et"))) <= 16 or verb == ["stats"]:
                said = told(["trace", *verb[:1], prefix, "--json", *verb[1:]], home)
                yield f"{inner.name}/trace {verb[0]}", hashed(said)


def main() -> int:
    """0 when there is nothing to compare with, or nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="where the hashes go")
    parser.add_argument("--against", type=Path, help="hashes of another revision")
    parser.add_argument("--random", type=int, default=100, help="random specifications")
    parser.add_argument("--only", default="", help="only names that contain this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    target = asked.file.resolve()
    before = json.loads(asked.against.read_text()) if asked.against else None
    subjects = [s for s in [*written(), *map(drawn, range(asked.random))] if asked.only in s.name]
    found: dict[str, str] = {}
    with ProcessPoolExecutor(asked.jobs) as pool:
        for one in pool.map(record, subjects):
            found |= one
    target.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    whole = hashed(json.dumps(found, sort_keys=True))
    print(f"{len(subjects)} specifications, {len(found)} outputs, all together {whole[:16]}")
    return 0 if before is None else compare(before, found)


def compare(before: dict[str, str], now: dict[str, str]) -> int:
    """Prints what differs; 0 when nothing does."""
    names = [n for n in sorted(before.keys() | now.keys()) if before.get(n) != now.get(n)]
    for name in names[:40]:
        print(f"differs: {name}")
    print(f"{len(names)} of {len(before)} differ")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
