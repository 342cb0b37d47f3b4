"""Where the user's ASTRA-sim binaries are, and which of the two each one is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from moec.backends.astra.files.settings import Congestion
from moec.backends.astra.simulator.failure import BROKE, NO_ROOM, NOT_FOUND
from moec.backends.astra.simulator.smoke import try_smoke
from moec.diagnostics import Diagnostic

VARIABLE, OPTION = "MOEC_ASTRA_SIM", "--astra-sim"
NAMES = ("AstraSim_Analytical_Congestion_Aware", "AstraSim_Analytical_Congestion_Unaware", "astra-sim")
"""What the binaries are called upstream, and what people call a link to one."""
SUBFOLDERS = (".", "bin", "build/astra_analytical/build/bin")
HELP = f"name the binary or its folder with `{OPTION} PATH`, or in {VARIABLE}, or put {NAMES[0]} on PATH"


@dataclass(frozen=True, slots=True)
class Binary:
    """An analytical backend of ASTRA-sim, and how it was found."""

    path: Path
    congestion: Congestion
    found_by: Literal["--astra-sim", "MOEC_ASTRA_SIM", "PATH"]


def find(
    want: Literal["auto", "aware", "unaware"] = "auto",
    given: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> tuple[Binary | None, list[Diagnostic]]:
    """The binary to use: of the `want`ed kind, or (auto) the one named, or the aware one of several.

    `given` is a path named by the user; then only that, or else only MOEC_ASTRA_SIM, or else PATH is looked at.
    """
    binaries, found = find_all(given, environ)
    if found:
        return None, found
    if want == "auto":
        return min(binaries, key=lambda b: b.congestion != "aware"), []
    fitting = [binary for binary in binaries if binary.congestion == want]
    if fitting:
        return fitting[0], []
    title = f"`{binaries[0].path}` is the congestion-{binaries[0].congestion} simulator, not the {want} one"
    return None, [Diagnostic(NOT_FOUND, title, help=HELP)]


def find_all(
    given: str | None = None, environ: Mapping[str, str] = os.environ
) -> tuple[list[Binary], list[Diagnostic]]:
    """Every binary that there is, or one error. A binary named as a file comes alone."""
    places: list[Path] = []
    found_by: Literal["--astra-sim", "MOEC_ASTRA_SIM", "PATH"]
    if named := given or environ.get(VARIABLE):
        found_by = "--astra-sim" if given else "MOEC_ASTRA_SIM"
        places, found = _named(Path(named).expanduser(), found_by)
        if found:
            return [], found
    else:
        found_by = "PATH"
        on_path = (shutil.which(name, path=environ.get("PATH", "")) for name in NAMES)
        places = [Path(place) for place in on_path if place]
        if not places:
            return [], [Diagnostic(NOT_FOUND, "ASTRA-sim was not found", help=HELP)]
    binaries: list[Binary] = []
    for path in places:
        congestion, found = recognise(path)
        if congestion is None:
            return [], found
        binaries.append(Binary(path, congestion, found_by))
    return binaries, []


def _named(path: Path, found_by: str) -> tuple[list[Path], list[Diagnostic]]:
    """What stands at a path that the user named: a binary, or a folder with binaries in it."""
    if path.is_file():
        if os.access(path, os.X_OK):
            return [path], []
        title = f"`{path}`, named by {found_by}, is not executable"
        return [], [Diagnostic(NOT_FOUND, title, help=f"`chmod +x {path}`, or name another binary")]
    if not path.is_dir():
        return [], [Diagnostic(NOT_FOUND, f"there is no `{path}`, which {found_by} names", help=HELP)]
    found = list(_inside(path))
    if found:
        return found, []
    names = " or ".join(f"`{name}`" for name in NAMES)
    return [], [Diagnostic(NOT_FOUND, f"the folder `{path}`, named by {found_by}, holds no {names}", help=HELP)]


def _inside(folder: Path) -> Iterator[Path]:
    for subfolder in SUBFOLDERS:
        found = [folder / subfolder / name for name in NAMES]
        here = [path for path in found if path.is_file() and os.access(path, os.X_OK)]
        if here:
            yield from here
            return


def recognise(path: Path) -> tuple[Congestion | None, list[Diagnostic]]:
    """Which simulator `path` is: by its name (or what it links to), else by what it makes of a network of two dimensions."""
    for name in (path.name.lower(), path.resolve().name.lower()):
        if "unaware" in name:
            return "unaware", []
        if "aware" in name:
            return "aware", []
    done, found = try_smoke(path, "unaware", (2, 2))
    if done is not None:
        return "unaware", []
    if any("1-dim topology" in line for d in found for line in d.quoted):
        return "aware", []
    why = found[0]
    if why.code == NO_ROOM:
        return None, found
    title = f"`{path}` is not ASTRA-sim's analytical simulator: {why.title}"
    return None, [Diagnostic(BROKE, title, help=HELP, quoted=why.quoted)]
