"""Everything a replay starts from: the traces as programs, and ASTRA-sim's configuration files as it reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moec.backends.astra.files.comm_groups import groups_of
from moec.backends.astra.files.json_values import text
from moec.backends.astra.files.network_file import OutOfScale, dims_of
from moec.backends.astra.files.reading import Unreadable, bytes_of, json_of
from moec.backends.astra.files.system import KINDS, System, network_of, system_of
from moec.backends.astra.files.yaml_cpp import NotYaml, decoded, int_table
from moec.backends.astra.network.refusal import Stopped, aborts
from moec.backends.astra.network.topology import AstraNetwork, Congestion, Dim
from moec.backends.astra.replay.programs.all_ranks import programs_of
from moec.backends.astra.replay.programs.program import Program
from moec.backends.astra.replay.programs.trace_files import sheets_of
from moec.backends.astra.replay.programs.trace_rows import Sheet
from moec.backends.astra.replay.remote_memory import Memory, memory_of

_OVERTAKEN = "with `model-shared-bus` and `direct` ASTRA-sim may write to memory that it has given back, and then crash at random"


@dataclass(frozen=True, slots=True)
class Files:
    """Where things are. Paths in the system file are looked for from here, then beside the system file."""

    prefix: str
    system: Path
    network: Path
    memory: Path | None = None
    groups: Path | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """The simulator's command line: `--num-queues-per-dim`, `--injection-scale`, `--rendezvous-protocol`."""

    congestion: Congestion = "aware"
    queues: int = 1
    injection_scale: float = 1.0
    rendezvous: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """`sheets` and `programs` by rank; ranks that do the same share a program. `groups`: members by number. `per_node`: custom sets by node."""

    sheets: tuple[Sheet, ...]
    programs: tuple[Program, ...]
    network: AstraNetwork
    system: System
    memory: Memory
    groups: Mapping[int, tuple[int, ...]]
    per_node: Mapping[int, str]
    beside: Path
    rendezvous: bool
    notes: tuple[str, ...]

    @property
    def world(self) -> int:
        return len(self.programs)


def setup_of(files: Files, options: Options) -> Setup:
    """Reads all files. Raises Unreadable, and Stopped where the simulator would end while it starts."""
    dims, raw = _dims(files.network), json_of(files.system)
    network = network_of(raw, dims, options.congestion, options.queues, options.injection_scale)
    refused = network.refusal()
    if refused is not None:
        raise Stopped(refused)
    memory = memory_of(json_of(files.memory) if files.memory else None)
    system = system_of(raw)
    sheets, notes = sheets_of(files.prefix, network.ranks)
    if not system.scheduled:
        notes.append("`scheduling-policy` is missing: ASTRA-sim then uses memory that nobody set, and some runs abort")
    if network.bus is not None and any("irect" in name for kind in KINDS for name in network.algorithms(kind)):
        notes.append(_OVERTAKEN)
    per_node = _per_node(raw, files.system)
    return Setup(
        tuple(sheets),
        programs_of(sheets, system, by_number=bool(per_node)),
        network,
        system,
        memory,
        _groups(files.groups),
        per_node,
        files.system.parent,
        options.rendezvous,
        tuple(notes),
    )


def _dims(path: Path) -> tuple[Dim, ...]:
    try:
        return dims_of(decoded(bytes_of(path)))
    except NotYaml as error:
        raise Unreadable(f"{path} is not YAML that can be read: {error}") from error
    except OutOfScale as error:
        raise Unreadable(f"{path}: {error}") from error


def _groups(path: Path | None) -> dict[int, tuple[int, ...]]:
    """The simulator takes any path with `empty` in it for no groups."""
    return {} if path is None or "empty" in str(path) else groups_of(json_of(path))


def _per_node(raw: Mapping[str, Any], at: Path) -> dict[int, str]:
    name = text(raw, "per-node-custom-implementation")
    if name is None:
        return {}
    path = next((p for p in (Path(name), at.parent / name) if p.is_file()), None)
    if path is None:
        raise Stopped(aborts(f"`Failed to open YAML file: {name}`"))
    try:
        return int_table(decoded(bytes_of(path)))
    except NotYaml as error:
        raise Stopped(aborts(f"`per-node-custom-implementation`, {path}: {error}")) from error
