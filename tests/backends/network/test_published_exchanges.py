"""DeepEP's published exchanges, and measured NCCL times where they are at hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # fits rates to tables

ROOT = Path(__file__).parents[3]
MEASURED = ROOT.parent / "shared" / "validation" / "kernels" / "aic_nccl_alpha_beta.csv"


def script(name: str) -> ModuleType:
    found = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def deepep() -> ModuleType:
    return script("check_deepep")


def test_the_low_latency_table_is_within_15_percent_with_two_fitted_rates(deepep: ModuleType) -> None:
    table = deepep.LOW_LATENCY_US
    net = deepep.fitted(deepep.low_latency_us, table)
    errors = [
        got / us - 1
        for ranks, row in table.items()
        for got, us in zip(deepep.low_latency_us(ranks, net), row, strict=True)
    ]
    assert len(errors) == 12
    assert max(map(abs, errors)) < 0.15
    assert 39 <= net.between.rate <= 41, "what the same table reports from 128 ranks on"


def test_the_normal_kernels_are_two_phase_exchanges_on_two_rates(deepep: ModuleType) -> None:
    table = {ranks: deepep.published_normal_us(ranks) for ranks in deepep.NORMAL_GBPS}
    net = deepep.fitted(deepep.normal_us, table)
    errors = [
        got / us - 1 for ranks, row in table.items() for got, us in zip(deepep.normal_us(ranks, net), row, strict=True)
    ]
    assert len(errors) == 8
    assert max(map(abs, errors)) < 0.1
    assert net.between.rate < 50, "a 400 Gb/s card carries no more"
    assert net.inside.rate < 160, "nor does the NVLink of an H800, as its README says"


@pytest.mark.skipif(not MEASURED.exists(), reason="the measured NCCL times are not at hand")
def test_library_links_are_those_of_measured_collectives() -> None:
    errors: dict[str, list[float]] = {}
    for gpu, _, error in script("check_nccl").errors(MEASURED):
        errors.setdefault(gpu, []).append(error)
    assert len(errors) == 9
    for gpu, found in errors.items():
        assert np.median(np.abs(found)) < 0.2, gpu
        assert abs(np.median(found)) < 0.1, gpu
    assert np.quantile(np.abs(np.concatenate([*errors.values()])), 0.9) < 0.4
