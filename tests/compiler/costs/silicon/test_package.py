"""The package itself, where it is installed: its units are what the reader takes them for."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from moec.compiler.costs.silicon.library import Library
from moec.compiler.costs.silicon.measured_collectives import Collectives
from moec.compiler.costs.silicon.mixtures import Mixtures, Shape
from moec.compiler.costs.silicon.package import PACKAGE, SHEETS, devices, systems
from moec.compiler.costs.silicon.products import Products
from moec.compiler.ir.kernels import ExpertFfn, Gemm
from moec.dsl.load import load_text
from moec.dsl.schema import Compute, Device
from moec.study.silicon.rows import read_rows, suspicions
from moec.study.silicon.scores import score
from moec.study.silicon.specs import is_mixture
from moec.study.silicon.study import study

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.skipif(systems() is None, reason="aiconfigurator-core is not installed")

GPUS = ("h100_sxm", "h200_sxm", "b200_sxm")


def device(name: str) -> Device:
    sheet = SHEETS[name]
    return Device(80e9, sheet.bandwidth, Compute(sheet.bf16, fp8=2 * sheet.bf16, fp4=4 * sheet.bf16), silicon=name)


def library(name: str) -> Library:
    root = systems()
    assert root is not None
    return Library(root, name, "vllm")


@pytest.mark.parametrize("name", GPUS)
def test_long_reads_reach_most_of_the_bandwidth_and_never_more(name):
    kernel = Gemm(np.array([1.0]), 16384, 16384, "bf16", "bf16")
    time, _ = Products(library(name), device(name)).time(kernel)
    share = kernel.bytes / (time * SHEETS[name].bandwidth / 1e9)

    assert 0.75 < share[0] < 1.0


@pytest.mark.parametrize("name", GPUS)
def test_large_products_reach_most_of_the_arithmetic_and_never_more(name):
    kernel = Gemm(np.array([8192.0]), 8192, 8192, "bf16", "bf16")
    time, _ = Products(library(name), device(name)).time(kernel)
    share = kernel.flops / (time * SHEETS[name].bf16 / 1e9)

    assert 0.5 < share[0] < 1.0


@pytest.mark.parametrize("name", GPUS)
def test_touched_experts_are_read_at_most_of_the_bandwidth(name):
    kernel = ExpertFfn(np.array([512.0]), np.array([256.0]), 3072, 1536, True, "fp8", "bf16")
    time, _ = Mixtures(library(name), device(name), Shape(256, 8, 1)).time(kernel)
    share = kernel.bytes / (time * SHEETS[name].bandwidth / 1e9)

    assert 0.6 < share[0] < 1.0


@pytest.mark.parametrize("name", GPUS)
def test_large_reductions_stay_below_the_link(name):
    size = 2.0**29
    time, _ = Collectives(library(name)).time("all_reduce", 8, np.array([size]))
    moved = size  # in the switch; twice 7/8 of it on a ring

    assert 0.3 < moved / (time[0] * SHEETS[name].link / 1e9) < 1.0


def test_ten_gpus_have_tables():
    with_both = [d for d in devices() if {"gemm", "moe"} <= {p.name for p in (systems() / "data" / d).iterdir()}]

    assert len(with_both) == 10


def test_the_rows_are_those_that_the_page_counts():
    rows = read_rows(systems())
    mixtures = [row for row in rows if is_mixture(row)]

    assert (len(rows), len(mixtures)) == (3619, 2556)
    assert len(suspicions(mixtures)) > 600


def test_a_few_rows_agree_and_none_of_the_packages_code_has_run():
    rows = [row for row in read_rows(systems()) if is_mixture(row) and row.concurrency <= 16 and row.osl == 1024]
    found = study(rows, load_text, waves=3, limit=12, jobs=1, tokens="balanced", anyway=False, progress=lambda *_: None)

    assert score(("all",), found).compared == 12
    assert score(("all",), found).tpot_median < 0.2
    assert PACKAGE not in sys.modules
