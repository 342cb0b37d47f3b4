"""The library: every entry loads, every parameter count is recomputed, every device agrees with what is known of it."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import pytest

from moec.compiler.check.memory import check_memory, memory_of
from moec.compiler.check.plan import check_plan
from moec.compiler.sizes.parameters import parameters
from moec.dsl.load import check_text
from moec.dsl.schema import Experiment

# name: (total, active, tolerance), in billions: the counts of each model's dimensions as an independent table of model facts
# gives them, embeddings included; None: dense.
COUNTS: dict[str, tuple[float, float | None, float]] = {
    "mixtral_8x7b": (46.70, 12.88, 0.001),
    "qwen3_30b_a3b": (30.53, 3.35, 0.002),
    "qwen3_235b_a22b": (235.1, 22.2, 0.003),
    "deepseek_v3": (671.0, 37.6, 0.002),
    "olmoe_1b_7b": (6.92, 1.28, 0.003),
    "gpt_oss_120b": (116.83, 5.7, 0.003),
    "llama_3_1_8b": (8.03, None, 0.001),
    "gpt_3_175b": (174.6, None, 0.001),
    "mixtral_8x22b": (140.6, 39.15, 0.001),
    "qwen1_5_moe_a2_7b": (14.32, 2.69, 0.002),
    "qwen2_57b_a14b": (57.41, 14.25, 0.002),
    "qwen3_coder_480b_a35b": (480, 35, 0.02),
    "gpt_oss_20b": (20.9, 4.2, 0.006),
    "minimax_m2": (228.7, 11.0, 0.005),
    "llama_4_scout": (107.8, 17.2, 0.004),
    "llama_4_maverick": (400.7, 17.2, 0.004),
    "grok_1": (315.7, 83.8, 0.002),
    "dbrx": (131.6, 36.5, 0.002),
    "phi_3_5_moe": (41.9, 6.64, 0.003),
    "phi_mini_moe": (7.65, 2.36, 0.003),
    "glm_4_5_air": (106.9, 13.4, 0.005),
    "glm_4_5": (352.8, 33.6, 0.002),
    "kimi_k2": (1026, 32.9, 0.002),
    "deepseek_v2": (235.7, 21.4, 0.003),
    "deepseek_v2_lite": (15.71, 2.66, 0.003),
    "llama_3_1_70b": (70.6, None, 0.001),
    "qwen3_8b": (8.2, None, 0.005),
    "qwen3_32b": (32.8, None, 0.002),
    "llama_7b": (6.74, None, 0.001),
    "llama_33b": (32.5, None, 0.002),
    "gpt_3_6_7b": (6.65, None, 0.002),
    "gpt_3_13b": (12.9, None, 0.004),
    "gpt_3_30b": (29.96, None, 0.001),
}

# Totals that are further from ours than their rounding: relative distance.
TOTALS = {
    "grok_1": 0.006,  # 314B, as announced
    "llama_4_scout": 0.012,  # 109B counts the vision encoder
    "glm_4_5": 0.007,  # 355B counts the multi-token-prediction layer
    "glm_4_5_air": 0.009,
    "gpt_3_13b": 0.012,  # 13B is the model of width 5140
    "phi_mini_moe": 0.008,
}

# What a publisher leaves out of its active count.
ACTIVE = {
    "gpt_oss_120b": "embedding",
    "gpt_oss_20b": "embedding",
    "deepseek_v2_lite": "embedding",
    "glm_4_5": "embedding and head",
    "glm_4_5_air": "embedding and head",
    "minimax_m2": "embedding and head",
    "kimi_k2": "embedding",
    "deepseek_v3": "embedding",
}

# GPU: (what it reports in GiB, GB/s, dense bf16 TFLOPS, NVLink or PCIe GB/s per direction)
DEVICES = {
    "h100": (79.18, 3350, 989.4, 450),
    "h200": (139.80, 4800, 989.4, 450),
    "a100_80gb": (79.15, 2039, 312, 300),
    "b200": (178.35, 8000, 2250, 900),
    "rtx_pro_6000": (94.97, 1597, 467.8, 64),
    "rtx_4090": (23.64, 1008, 165.2, 32),
    "h800": (79.18, 3350, 989.4, 200),
    "a800": (79.15, 2039, 312, 200),
}


def names(file: str, kind: str) -> list[str]:
    text = files("moec.dsl.std").joinpath(file).read_text(encoding="utf-8")
    return re.findall(rf"^{kind} (\w+)", text, flags=re.MULTILINE)


@cache
def library() -> dict[str, Experiment]:
    """One experiment for every model, on a node, and one for every node, device and link."""
    text = ['moe 1\nuse "std/models"\nuse "std/hardware" as hw\ncluster c { nodes = 1, node = hw.h100_x1 }']
    text += [f"experiment model_{m} {{ model = models.{m}, cluster = c }}" for m in names("models.moe", "model")]
    text.append("model small = models.qwen3_8b")
    for kind, field in (("device", "node { device = hw.%s, devices = 1 }"), ("node", "node = hw.%s")):
        for n in names("hardware.moe", kind):
            text.append(f"experiment {kind}_{n} {{ model = small, cluster {{ nodes = 1, {field % n} }} }}")
    for n in names("hardware.moe", "link"):
        text.append(f"cluster {n} {{ nodes = 2, node = hw.h100_x1, network {{ link = hw.{n} }} }}")
        text.append(f"experiment link_{n} {{ model = small, cluster = {n} }}")
    experiments, report = check_text("\n".join(text) + "\n")
    assert [d.title for d in report.diagnostics] == []
    return {e.name: e for e in experiments}


def test_every_entry_loads():
    wanted = {f"model_{n}" for n in names("models.moe", "model")}
    wanted |= {f"{kind}_{n}" for kind in ("device", "node", "link") for n in names("hardware.moe", kind)}
    assert set(library()) == wanted
    assert len(wanted) > 80


def test_every_model_has_an_independent_count():
    assert set(names("models.moe", "model")) == set(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts(name):
    counts = parameters(library()[f"model_{name}"].model)
    total, active, tolerance = COUNTS[name]
    assert counts.total / 1e9 == pytest.approx(total, rel=tolerance)
    if active is None:
        assert counts.active == counts.total
    else:
        assert counts.active / 1e9 == pytest.approx(active, rel=max(tolerance, 0.05 / active))


def rounding(figure: float) -> float:
    """Relative error of a figure printed to its last digit that is not zero, at most 3 %; 0.1 % of slack."""
    mantissa = f"{figure:.6e}".split("e")[0].rstrip("0").rstrip(".")
    digits = len(mantissa.replace(".", ""))
    return min(0.03, 0.5 * 10.0 ** (1 - digits) / float(mantissa)) + 0.001


@pytest.mark.parametrize("name", COUNTS)
def test_published_figures(name):
    model = library()[f"model_{name}"].model
    counts = parameters(model)
    assert model.published_total is not None
    distance = TOTALS.get(name, rounding(model.published_total))
    assert counts.total == pytest.approx(model.published_total, rel=distance)
    if model.published_active is not None:
        left_out = sum(getattr(counts, kind) for kind in ("embedding", "head") if kind in ACTIVE.get(name, ""))
        assert counts.active - left_out == pytest.approx(model.published_active, rel=0.035)


@pytest.mark.parametrize("name", COUNTS)
def test_every_model_is_consistent_and_fits_somewhere(name):
    e = library()[f"model_{name}"]
    assert check_plan(e) == []
    if memory_of(e).shortfall:
        (found,) = check_memory(e)
        assert found.help.endswith("KV blocks")


@pytest.mark.parametrize("name", DEVICES)
def test_devices(name):
    memory, bandwidth, bf16, link = DEVICES[name]
    device = library()[f"device_{name}"].cluster.node.device
    assert device.memory == pytest.approx(memory * 2**30)
    assert device.bandwidth == bandwidth * 1e9
    assert device.compute.bf16 == pytest.approx(bf16 * 1e12)
    assert device.link is not None
    assert device.link.bandwidth == link * 1e9


@pytest.mark.parametrize("name", names("hardware.moe", "device"))
def test_devices_are_plausible(name):
    """Narrower types are never slower, and every GPU has what it reports beside what the next one can use."""
    device = library()[f"device_{name}"].cluster.node.device
    compute = device.compute
    rates = [r for r in (compute.fp32, compute.tf32, compute.bf16, compute.fp8, compute.fp4) if r is not None]
    assert rates == sorted(rates)
    assert compute.int8 is None or compute.int8 >= compute.bf16
    assert device.link is not None
    assert device.host is not None
    assert device.host <= device.link.bandwidth < device.bandwidth
    assert 0.3 < device.link.efficiency <= 1


def test_nodes():
    sizes = {n: library()[f"node_{n}"].cluster.node.devices for n in names("hardware.moe", "node")}
    for name, size in sizes.items():
        if (match := re.search(r"_x(\d+)$", name)) is not None:
            assert size == int(match[1])
    assert {sizes[n] for n in ("dgx_h100", "dgx_h200", "dgx_a100", "dgx_b200")} == {8}
    assert sizes["gb200_nvl72"] == 72
