"""The roofline against measured kernels of a GPU; they took no part in the choice of any constant but its streaming."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
PROFILES = ROOT.parent / "shared" / "validation" / "profiles"

# Bounds on the median and the 90th percentile of the relative error; docs/costs.md has the figures.
LIMITS = {
    "products, to 64 rows": (0.06, 0.55),
    "products, 65-512 rows": (0.11, 0.22),
    "products, over 512 rows": (0.11, 0.23),
    "elementwise": (0.25, 0.65),
    "prompts, none cached": (0.45, 0.65),
    "prompts, cached before": (0.17, 0.36),
    "decode, to 10 MB of cache": (0.16, 0.30),
    "decode, over 10 MB of cache": (0.10, 0.20),
    "mixed": (0.20, 0.55),
    "experts, to 64 tokens": (0.06, 0.45),
    "experts, over 64 tokens": (0.25, 0.45),
}


def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`scripts/check_roofline.py`, which prints the same table."""
    spec = importlib.util.spec_from_file_location("check_roofline", ROOT / "scripts" / "check_roofline.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "check_roofline", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not PROFILES.is_dir(), reason="the measured profiles are not part of the project")
def test_measured_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    module = script(monkeypatch)
    errors = module.errors(PROFILES)
    assert errors.keys() == LIMITS.keys()
    found = {r: (np.median(abs(e)), np.quantile(abs(e), 0.9)) for r, e in errors.items()}
    worse = {r: f for r, f in found.items() if f[0] > LIMITS[r][0] or f[1] > LIMITS[r][1]}
    assert not worse
