"""Everything a replay starts from: the traces as programs, and ASTRA-sim's configuration files as it reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moec.backends.fast.astra.network import AstraNetwork, Congestion, Dim
from moec.backends.fast.astra.refusal import EXIT_NETWORK, Refusal, Stopped, aborts
from moec.backends.fast.replay.program import Program
from moec.backends.fast.replay.programs import programs_of
from moec.backends.fast.replay.reading import sheets_of
from moec.backends.fast.replay.sheet import Sheet
from moec.backends.fast.replay.store import Memory, memory_of
from moec.backends.fast.replay.system import System, network_of, system_of
from moec.compiler.chakra.lint import json_strict
from moec.compiler.chakra.lint.network_file import faults
from moec.compiler.chakra.lint.yaml_subset import parse


class Unreadable(Exception):
    """A file that cannot be opened, or that is not what its name says."""


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
    raw = _json(files.system)
    network = network_of(raw, _dims(files.network), options.congestion, options.queues, options.injection_scale)
    refused = network.refusal()
    if refused is not None:
        raise Stopped(refused)
    memory = memory_of(_json(files.memory) if files.memory else None)
    system = system_of(raw)
    sheets, notes = sheets_of(files.prefix, network.ranks)
    if not system.scheduled:
        notes.append("`scheduling-policy` is missing: ASTRA-sim then uses memory that nobody set, and some runs abort")
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
    raw = parse(_text(path))
    found = list(faults(raw))
    if found:
        raise Stopped(Refusal("exits", EXIT_NETWORK, f"the network file: {found[0]}"))
    columns: tuple[Any, ...] = tuple(raw[key] for key in ("topology", "npus_count", "bandwidth", "latency"))
    return tuple(Dim(t, n, float(b), float(latency)) for t, n, b, latency in zip(*columns, strict=True))


def _groups(path: Path | None) -> dict[int, tuple[int, ...]]:
    """Members by number. The simulator takes any path with `empty` in it for none."""
    if path is None or "empty" in str(path):
        return {}
    found: dict[int, tuple[int, ...]] = {}
    for name, ranks in _json(path).items():
        if not name.isdigit():
            raise Stopped(aborts(f"the communicator file names a group {name!r}: `stoi`"))
        if not int(name):
            raise Stopped(aborts("`Assertion id > 0`: group 0 stands for all ranks"))
        if not isinstance(ranks, list) or not all(isinstance(rank, int) for rank in ranks):
            raise Stopped(aborts(f"group {name} of the communicator file is no list of ranks"))
        found[int(name)] = tuple(ranks)
    return found


def _per_node(raw: Mapping[str, Any], at: Path) -> dict[int, str]:
    name = raw.get("per-node-custom-implementation")
    if name is None:
        return {}
    path = next((p for p in (Path(str(name)), at.parent / str(name)) if p.is_file()), None)
    if path is None:
        raise Stopped(aborts(f"`Failed to open YAML file: {name}`"))
    return {int(key): str(value) for key, value in parse(_text(path)).items() if key.lstrip("-").isdigit()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors begin with a mark
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise Unreadable(f"cannot read {path}: {(reason or str(error)).lower()}") from error


def _json(path: Path) -> Mapping[str, Any]:
    try:
        value = json_strict.parse(_text(path))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Unreadable(f"{path} is not JSON: {where}: {error.msg.lower()}") from error
    except ValueError as error:
        raise Unreadable(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Unreadable(f"{path} holds no JSON object")
    return value
