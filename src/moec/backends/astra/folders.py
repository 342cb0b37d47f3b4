"""What `moec compile` left in a folder, or anybody else in the same form: which iterations there are to time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Literal, Protocol

from moec.arrays import Array
from moec.backends.astra.files.yaml_cpp import NotYaml, as_int, decoded, load, value_of
from moec.compiler.chakra.trace_set import find
from moec.diagnostics import Diagnostic
from moec.dsl.schema import AstraOptions

MANIFEST, NETWORK = "manifest.json", "network.yml"
NOT_COMPILED, CHANGED = "M595", "M596"
"""Nothing to time in a folder; files that are no longer what the manifest says."""
SHOWN = 3
HELP = "`moec compile FILE -o DIR` writes such folders; one with NAME.0.et, system.json, network.yml and memory.json will do"


@dataclass(frozen=True, slots=True)
class Compiled:
    """The traces of one iteration: `NAME.<rank>.et` for `files` ranks and their configurations, in `folder`.

    `ranks`: without those that only keep a lone one company. What a folder without a manifest does not say is None:
    the number of the `iteration`, its `phase`, its `nodes`, and for which binary (`congestion`) its configurations are.
    """

    folder: Path
    name: str
    files: int
    ranks: int
    iteration: int | None = None
    phase: str | None = None
    nodes: int | None = None
    congestion: Literal["aware", "unaware"] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Timed:
    """How long one took: int64 `[ranks]`, when ranks finished and how much of that they did not compute.

    `wall_s`: seconds that the timing took; `tool`: what did it.
    """

    compiled: Compiled
    finish_ns: Array
    exposed_ns: Array
    wall_s: float
    tool: str

    @property
    def time_ns(self) -> int:
        """When the last rank finished."""
        return int(self.finish_ns.max())

    @property
    def alone_ns(self) -> int:
        """The time less the busiest rank's compute, as a backend's `Timing.exposed_ns`."""
        return self.time_ns - int((self.finish_ns - self.exposed_ns).max())


class FolderTimer(Protocol):
    """What times compiled iterations; `registry.FOLDER_TIMERS` has one per backend."""

    def __call__(self, iterations: Sequence[Compiled], options: AstraOptions) -> tuple[list[Timed], list[Diagnostic]]:
        """The timings in the order of `iterations`, with warnings, or errors; of `options` what a folder leaves open."""
        ...


def compiled_in(place: Path) -> tuple[list[Compiled], list[Diagnostic]]:
    """The iterations in `place`: those of its manifest, or `place` itself when it holds traces. Warns of changed files."""
    if not (place / MANIFEST).is_file():
        return _lone(place)
    try:
        manifest = json.loads((place / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not JSON"
        return [], [Diagnostic(NOT_COMPILED, f"cannot read `{place / MANIFEST}`: {reason}", help=HELP)]
    rows = manifest.get("iterations") if isinstance(manifest, dict) else None
    if not isinstance(rows, list) or not rows or not all(_sound(row) for row in rows):
        return [], [Diagnostic(NOT_COMPILED, f"`{place}` holds results, but no compiled iterations", help=HELP)]
    iterations, found = [], []
    for row in rows:
        one, about = _listed(place / row["folder"], row)
        iterations.append(one)
        found += about
    return iterations, found


def _sound(row: object) -> bool:
    return isinstance(row, dict) and isinstance(row.get("folder"), str) and isinstance(row.get("ranks"), int)


def _listed(folder: Path, row: Mapping[str, Any]) -> tuple[Compiled, list[Diagnostic]]:
    hashes = row.get("sha256")
    hashes = hashes if isinstance(hashes, dict) else {}
    traces = [name for name in hashes if name.endswith(".0.et") and "/" not in name]
    name = traces[0].removesuffix(".0.et") if traces else "moec"
    files = sum(1 for other in hashes if "/" not in other and other.startswith(f"{name}.") and other.endswith(".et"))
    changed = list(_changed(folder, hashes))
    found = []
    if changed:
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        title = f"{', '.join(f'`{c}`' for c in changed[:SHOWN])}{more} in `{folder}` changed after `moec compile`"
        found.append(Diagnostic(CHANGED, title, help="they are timed as they are now", severity="warning"))
    one = Compiled(
        folder,
        name,
        files or row["ranks"],
        row["ranks"],
        row.get("iteration"),
        row.get("phase"),
        row.get("nodes"),
        row.get("congestion"),
    )
    return one, found


def _changed(folder: Path, hashes: Mapping[str, Any]) -> Iterator[str]:
    """Files that are there but have other bytes; one that is missing is the timer's to refuse."""
    for name, expected in hashes.items():
        path = folder / name
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            yield name


def _lone(place: Path) -> tuple[list[Compiled], list[Diagnostic]]:
    """A folder with the traces themselves: one of several that a manifest beside it lists, or anybody's."""
    names = sorted(path.name.removesuffix(".0.et") for path in place.glob("*.0.et"))
    if len(names) != 1:
        why = (
            "is a directory without traces in it"
            if not names
            else f"holds {len(names)} trace sets: {', '.join(f'`{n}`' for n in names)}"
        )
        return [], [Diagnostic(NOT_COMPILED, f"`{place}` {why}", help=HELP)]
    around, _ = compiled_in(place.resolve().parent) if (place.resolve().parent / MANIFEST).is_file() else ([], [])
    for one in around:
        if one.folder.name == place.resolve().name:
            return [replace(one, folder=place)], []
    dims = _dimensions(place / NETWORK)
    ranks = prod(dims) if dims else len(find(str(place / names[0])))
    return [Compiled(place, names[0], ranks, ranks, congestion="unaware" if len(dims) > 1 else None)], []


def _dimensions(network: Path) -> tuple[int, ...]:
    """NPUs by dimension of a network file; none when it cannot be read, which the timer will say."""
    try:
        counts = value_of(load(decoded(network.read_bytes())), "npus_count")
    except (OSError, NotYaml):
        return ()
    numbers = map(as_int, counts if isinstance(counts, list) else ())
    return tuple(number for number in numbers if number is not None and number > 0)
