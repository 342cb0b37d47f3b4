"""Says how far `costs = silicon(…)` is from measurements that it was not given: points, shapes and widths left out in turn.

    pip install 'moec[silicon]'
    python scripts/check_silicon.py [--engine vllm] [--device h100_sxm …]

Products: every measured width and depth between others, predicted from its neighbours; rows: every second row count.
Mixtures: a width from the nearest other width. Decode attention: every second context. Relative error |predicted ÷ measured − 1|.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from moec.compiler.costs.roofline import Roofline
from moec.compiler.costs.silicon.attentions import Planes, attention_time
from moec.compiler.costs.silicon.grids import Line, Plane
from moec.compiler.costs.silicon.library import Library
from moec.compiler.costs.silicon.mixtures import Mixtures, Shape
from moec.compiler.costs.silicon.package import systems
from moec.compiler.ir.kernels import Attention, ExpertFfn, Gemm
from moec.dsl.load import load_text
from moec.dsl.schema import Device

LIBRARY = {"h100_sxm": "h100", "h200_sxm": "h200", "b200_sxm": "b200"}


def device_of(name: str) -> Device:
    """The library's device of that name."""
    text = f'moe 1\nuse "std/hardware" as hw\nuse "std/models"\nexperiment e {{ model = models.olmoe_1b_7b, cluster {{ nodes = 1, node {{ device = hw.{LIBRARY[name]}, devices = 1 }} }} }}\n'
    experiment, report = load_text(text)
    if experiment is None:
        raise SystemExit("\n".join(d.title for d in report.diagnostics))
    return experiment.cluster.node.device


def shapes(library: Library, device: Device) -> Iterator[np.ndarray]:
    """bf16 products of every shape whose four diagonal neighbours were measured, from these."""
    found = library.rows("gemm", "gemm", ("n", "k", "m"), ("gemm_dtype", "bfloat16"))
    groups = found.groups("n", "k")
    ns, ks = (np.unique(found.keys[:, i]) for i in (0, 1))
    model = Roofline()
    for n, k in groups:
        i, j = int(np.searchsorted(ns, n)), int(np.searchsorted(ks, k))
        if not (0 < i < len(ns) - 1 and 0 < j < len(ks) - 1 and n >= 512 and k >= 512):
            continue
        rows = groups[n, k].keys[:, 0].astype(float)
        total, weight = np.zeros(len(rows)), 0.0
        for a, b in ((i - 1, j - 1), (i - 1, j + 1), (i + 1, j - 1), (i + 1, j + 1)):
            other = groups.get((int(ns[a]), int(ks[b])))
            if other is None:
                continue
            points = other.keys[:, 0].astype(float)
            base = model.estimate(Gemm(points, int(ns[a]), int(ks[b]), "bf16", "bf16"), device).time_ns
            total += Line(np.log(points), np.log(other.time_ns / base)).at(np.log(rows))
            weight += 1
        mine = model.estimate(Gemm(rows, n, k, "bf16", "bf16"), device).time_ns
        yield mine * np.exp(total / weight) / groups[n, k].time_ns - 1


def counts(library: Library) -> Iterator[np.ndarray]:
    """bf16 products at every second row count, from the others."""
    for part in library.rows("gemm", "gemm", ("n", "k", "m"), ("gemm_dtype", "bfloat16")).groups("n", "k").values():
        rows, time = part.keys[:, 0].astype(float), part.time_ns
        kept = Line(np.log(rows[::2]), np.log(time[::2]))
        inner = slice(1, len(rows) - 1, 2)
        yield np.exp(kept.at(np.log(rows[inner]))) / time[inner] - 1


def widths(library: Library, device: Device) -> Iterator[np.ndarray]:
    """Mixtures of half the width (twice the tensor parallelism), from the whole width."""
    known = Mixtures(library, device, Shape(1, 1, 1))._curves_of("bfloat16", library.engine)
    for group, line in known.items():
        half = next(
            (
                g
                for g in known
                if (g.hidden, g.top_k, g.experts, g.ep) == (group.hidden, group.top_k, group.experts, group.ep)
                and 2 * g.width == group.width
            ),
            None,
        )
        if half is None:
            continue
        rows = line.points * group.top_k / group.ep
        active = np.minimum(rows, group.held)
        model, shape = Roofline(), (group.hidden, group.width, True, "bf16", "bf16")
        there = model.estimate(ExpertFfn(rows, active, *shape), device).time_ns
        here = model.estimate(ExpertFfn(rows, active, group.hidden, half.width, True, "bf16", "bf16"), device).time_ns
        yield line.values * here / there / known[half].at(line.points) - 1


def contexts(library: Library, device: Device) -> Iterator[np.ndarray]:
    """Decode steps at every second context, from the others."""
    found = library.rows(
        "attention", "generation_attention", ("num_heads", "num_key_value_heads", "batch_size", "step"),
        ("head_dim", 128), ("window_size", 0), ("kv_cache_dtype", "bfloat16"),
    )  # fmt: skip
    for (heads, kv_heads), part in found.groups("num_heads", "num_key_value_heads").items():
        keys = part.keys + np.array([[0.0, 1.0]])
        axis = np.unique(keys[:, 1])
        odd = np.isin(keys[:, 1], axis[1:-1:2]) & (keys[:, 1] >= 128)
        plane = Plane.of(keys[~odd], part.time_ns[~odd])
        none = np.zeros(())
        batch, context = keys[odd].T
        kernel = Attention(
            none, none, none, none, batch, batch * context, context, heads, kv_heads or heads, 128, 128, "bf16", "bf16"
        )
        yield attention_time(Planes(generation=plane), kernel, device)[0] / part.time_ns[odd] - 1


def main() -> None:
    """Prints a line for each device and part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default="vllm")
    parser.add_argument("--device", nargs="*", default=list(LIBRARY))
    options = parser.parse_args()
    root = systems()
    if root is None:
        raise SystemExit("pip install 'moec[silicon]'")
    print(f"{'':34}{'points':>8}{'median |e|':>12}{'p90 |e|':>10}{'median e':>10}   (%)")
    for name in options.device:
        library, device = Library(root, name, options.engine), device_of(name)
        parts = {
            "products, shape left out": shapes(library, device), "products, row count left out": counts(library),
            "mixtures, width left out": widths(library, device), "decode, context left out": contexts(library, device),
        }  # fmt: skip
        for what, errors in parts.items():
            e = np.concatenate(list(errors))
            cells = (100 * np.median(abs(e)), 100 * np.quantile(abs(e), 0.9), 100 * np.median(e))
            print(f"{name + ', ' + what:44}{len(e):8}{cells[0]:10.1f}{cells[1]:10.1f}{cells[2]:+10.1f}")


if __name__ == "__main__":
    main()
