"""The published bundles: every row is given back exactly, and rows that are left out are found again."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from moec.compiler.costs.profile.bundle_files import FAMILY, FILES, Rows, read_file
from moec.compiler.costs.profile.grid import Grid, Point
from moec.compiler.costs.profile.plane import Plane
from moec.diagnostics.csv_records import Source

ROOT = Path(__file__).parents[4]
PROFILES = ROOT.parent / "shared" / "validation" / "profiles"
FOLDERS = sorted(PROFILES.glob("*/tp*"))

pytestmark = pytest.mark.skipif(not FOLDERS, reason="the measured profiles are not part of the project")

# Mean error of what was left out, the worst of the four folders; docs/profiles.md has the figures.
LIMITS = {
    "prompts: prompt tokens": 0.06, "prompts: tokens cached before": 0.02, "decode: decode tokens": 0.05,
    "decode: context of decode tokens": 0.025, "mixed: prompt tokens": 0.045, "mixed: tokens cached before": 0.03,
    "mixed: decode tokens": 0.08, "mixed: context of decode tokens": 0.04,
}  # fmt: skip


def rows_of(folder: Path, file: str) -> Rows:
    rows, found = read_file(Source(str(folder / file), ".", "the profile", None, FAMILY), file)
    assert rows is not None, found
    return rows


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`scripts/check_profiles.py`, which prints the same errors."""
    spec = importlib.util.spec_from_file_location("check_profiles", ROOT / "scripts" / "check_profiles.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "check_profiles", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f"{f.parent.name}-{f.name}")
def test_every_row_of_attention_is_given_back(folder: Path) -> None:
    table = rows_of(folder, "attention.csv").numbers()
    grid, point = Grid.of(table), Point(*table.T[:4])
    np.testing.assert_allclose(grid.at(point), table[:, 4], rtol=1e-12)
    assert grid.measured(point).all()
    assert not grid.outside(point).any()


@pytest.mark.parametrize("folder", [f for f in FOLDERS if (f / "moe.csv").is_file()], ids=lambda f: f.parent.name)
def test_every_row_of_the_experts_is_given_back(folder: Path) -> None:
    tokens, active, times = rows_of(folder, "moe.csv").numbers().T
    plane = Plane.of(tokens, active, times)
    np.testing.assert_allclose(plane.at(tokens, active), times, rtol=1e-12)
    assert not plane.evidence(tokens, active).level.any()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f"{f.parent.name}-{f.name}")
def test_every_file_is_sound(folder: Path) -> None:
    for file in FILES:
        if (folder / file).is_file():
            assert rows_of(folder, file).by_key


@pytest.mark.parametrize("folder", FOLDERS[:1], ids=lambda f: f"{f.parent.name}-{f.name}")
def test_planes_of_attention_that_are_left_out_are_found_again(folder: Path, script: ModuleType) -> None:
    found = {f"{kind}: {axis}": float(np.abs(errors).mean()) for axis, kind, errors in script.attention(folder)}
    assert found.keys() == LIMITS.keys()
    assert not {name: error for name, error in found.items() if error > LIMITS[name]}


def test_points_of_layers_that_are_left_out_are_found_again(script: ModuleType) -> None:
    for folder in FOLDERS:
        assert np.abs(script.curves(folder, "dense.csv")).mean() < 0.02
        assert np.abs(script.curves(folder, "per_sequence.csv")).mean() < 0.016
        if (folder / "moe.csv").is_file():
            assert np.abs(script.experts(folder)).mean() < 0.035
