"""Packages that add to moec, as an installer leaves them."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest

from moec import registry

HEAD = """from dataclasses import dataclass
import numpy as np
from moec import Plugin, spec
from moec.compiler.ir.estimate import Estimate
@dataclass(frozen=True)
class None_:
    pass
class Idle:
    def __init__(self, times):
        self.times = times
    def run(self, graph, *, detail=True):
        raise NotImplementedError
    run_many = run
    def notes(self, context):
        return []
    def steps(self, context):
        return self
"""
"""What the source of a small plug-in begins with."""


def wheel(folder: Path, package: str, entries: dict[str, dict[str, str]], modules: dict[str, str]) -> Path:
    """A wheel of some modules, as any build tool makes it."""
    file = folder / f"{package.replace('-', '_')}-1-py3-none-any.whl"
    info = f"{package.replace('-', '_')}-1.dist-info"
    points = "\n".join(
        f"[{group}]\n" + "\n".join(f"{n} = {v}" for n, v in some.items()) for group, some in entries.items()
    )
    held = {
        **{f"{name}.py": text for name, text in modules.items()},
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": points + "\n",
    }
    with ZipFile(file, "w") as archive:
        for name, text in held.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in (*held, f"{info}/RECORD")))
    return file


def unpacked(folder: Path, package: str, group: str, name: str, source: str) -> None:
    """A package that adds `name` to a group, below `folder/site`."""
    module = package.replace("-", "_")
    with ZipFile(wheel(folder, package, {group: {name: f"{module}:plugin"}}, {module: source})) as archive:
        archive.extractall(folder / "site")


def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the registry look anew."""
    monkeypatch.setattr(registry, "_LOADED", {})
    monkeypatch.setattr(registry, "_NAMES", {})
