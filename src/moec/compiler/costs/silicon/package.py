"""Where the package aiconfigurator-core keeps its kernel tables, and which of several versions is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.util import find_spec, module_from_spec
from pathlib import Path

PACKAGE, DISTRIBUTION, EXTRA = "aiconfigurator_core", "aiconfigurator-core", "moec[silicon]"

READ = "0.12.0"
"""The version whose layout and units this reader was checked against."""

CURRENT = {"vllm": "0.24.0", "sglang": "0.5.14", "trtllm": "1.3.0rc20", "nccl": ""}
"""Engine -> the version of which all kernels were measured (`systems/query_versions.yaml`, aiconfigurator-core 0.12.0); what
is newer there covers single kernels, what is older some devices only.
"""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the measured GPU's data sheet says: bytes/s of memory, bf16 operations/s, bytes/s of the link per direction."""

    bandwidth: float
    bf16: float
    link: float


SHEETS = {
    "a100_sxm": Sheet(2039e9, 312e12, 300e9),
    "h100_sxm": Sheet(3350e9, 989.4e12, 450e9),
    "h200_sxm": Sheet(4800e9, 989.4e12, 450e9),
    "b200_sxm": Sheet(8000e9, 2250e12, 900e9),
    "b300_sxm": Sheet(8000e9, 2250e12, 900e9),
    "gb200": Sheet(8000e9, 2500e12, 900e9),
    "gb300": Sheet(8000e9, 2500e12, 900e9),
    "l40s": Sheet(864e9, 362.05e12, 32e9),
    "rtx_pro_6000_server": Sheet(1597e9, 467.8e12, 64e9),
}
"""NVIDIA's data sheets, as in the library of hardware; a device that differs is moved from here by the roofline."""


def systems() -> Path | None:
    """The package's `systems` folder, None without the package. Its code is not run: the tables are all that is used."""
    spec = find_spec(PACKAGE)
    if spec is None:
        return None
    folder = Path(str(files(module_from_spec(spec)))) / "systems"
    return folder if folder.is_dir() else None


def installed() -> str | None:
    """The installed version, None when it cannot be told."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return None


def devices() -> list[str]:
    """The names of the devices that have tables, sorted."""
    folder = systems()
    return sorted(p.name for p in (folder / "data").iterdir() if p.is_dir()) if folder else []


@cache
def table_path(root: Path, device: str, family: str, engine: str, name: str) -> Path | None:
    """The table `name` of a family (`gemm`, `moe`, …): the current version's, else the newest one's; None without any."""
    found = [p for p in (root / "data" / device / family / engine).glob(f"*/{name}_perf.parquet") if p.is_file()]
    if not found:
        return None
    return max(found, key=lambda p: (p.parent.name == CURRENT.get(engine), _order(p.parent.name)))


def _order(version: str) -> tuple[tuple[int, int], ...]:
    """`1.3.0rc20` after `1.3.0rc3`, and before `1.3.0`; a post-release after its release."""
    parts = re.findall(r"\d+|[a-z]+", version)
    return tuple((1, int(p)) if p.isdigit() else (-1 if p in ("rc", "dev", "a", "b") else 2, 0) for p in parts)
