"""What this machine has for moec and ASTRA-sim to work with, found by trying."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from moec.backends.astra.simulator.find import Binary, find_all
from moec.backends.astra.simulator.smoke import expected_ns, try_smoke
from moec.compiled import State, state
from moec.diagnostics import Diagnostic
from moec.version import VERSION

DEPENDENCIES = ("lark", "numpy", "rich", "typer", "jinja2", "protobuf", "PyYAML")
CHAKRA_TOOLS = ("chakra_jsonizer", "chakra_visualizer", "chakra_timeline_visualizer")
"""MLCommons Chakra's own readers of traces."""
ABILITIES = {
    "aware": "one dimension; links and ports are shared, so skewed exchanges pay for incast",
    "unaware": "several dimensions; no contention between messages",
}


@dataclass(frozen=True, slots=True)
class Tried:
    """A binary and what a run of two ranks made of it: simulated and expected nanoseconds, seconds it took, or why not."""

    binary: Binary
    finish_ns: int | None
    expected_ns: int
    wall_s: float
    error: Diagnostic | None

    @property
    def as_checked(self) -> bool:
        """The binary computes what the release does that moec was checked against."""
        return self.finish_ns == self.expected_ns


@dataclass(frozen=True, slots=True)
class Examination:
    """Versions (None: not installed), how the event simulation runs, binaries, the chakra tools on PATH (None: not there), and what went wrong."""

    moec: str
    python: str
    simulation: State
    dependencies: dict[str, str | None]
    binaries: tuple[Tried, ...]
    chakra_tools: dict[str, str | None]
    diagnostics: tuple[Diagnostic, ...]


def examine(given: str | None = None, environ: Mapping[str, str] = os.environ) -> Examination:
    """Looks for everything and tries every binary; `given` is a path that the user named."""
    dependencies = {name: _version(name) for name in DEPENDENCIES}
    binaries: list[Binary] = []
    found: list[Diagnostic] = []
    if dependencies["jinja2"] is not None:
        binaries, found = find_all(given, environ)
    tried = tuple(_try(binary) for binary in binaries)
    path = environ.get("PATH", "")
    return Examination(
        VERSION,
        platform.python_version(),
        state(),
        dependencies,
        tried,
        {name: shutil.which(name, path=path) for name in CHAKRA_TOOLS},
        (*found, *(one.error for one in tried if one.error is not None)),
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _try(binary: Binary) -> Tried:
    done, found = try_smoke(binary.path, binary.congestion)
    expected = expected_ns(binary.congestion)
    if done is None:
        return Tried(binary, None, expected, 0.0, found[0])
    return Tried(binary, int(done.finish_ns.max()), expected, done.wall_s, None)
