"""The configuration files that a trace set runs with: reading them into a `Subject`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moec.backends.astra.files import network_yaml
from moec.backends.astra.files.reading import Unreadable, bytes_of, json_of
from moec.backends.astra.files.yaml_cpp import NotYaml, decoded, int_table
from moec.backends.astra.lint.subject import Binary, Subject
from moec.compiler.chakra.trace_set import TraceSet, find, read_set


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the configuration files are; None for those that are not given."""

    system: Path | None = None
    network: Path | None = None
    groups: Path | None = None
    memory: Path | None = None
    binary: Binary | None = None


def subject(prefix: str, settings: Settings) -> Subject:
    """A trace set with its configuration. Raises Unreadable."""
    system = _json(settings.system)
    shape = _network(settings.network)
    per_node = _per_node(system, settings.system)
    whole = Subject(TraceSet(prefix, (), {}, ()), system, shape, _json(settings.groups), _json(settings.memory))
    world = whole.world or None
    prefixes = set(per_node.values()) | {
        str(value[0])
        for key, value in (system or {}).items()
        if key.endswith("-implementation-custom") and isinstance(value, list) and value
    }
    return Subject(
        read_set(prefix, world=world),
        system,
        shape,
        whole.groups,
        whole.memory,
        settings.binary,
        {p: _custom(p, settings.system) for p in prefixes},
        per_node,
    )


def beside(prefix: str, settings: Settings) -> Settings:
    """`settings` with the files of the names that moec gives them, where they lie in the folder of the traces."""
    folder = Path(prefix).parent

    def of(given: Path | None, name: str) -> Path | None:
        there = folder / name
        return given or (there if there.is_file() else None)

    return Settings(
        of(settings.system, "system.json"),
        of(settings.network, "network.yml"),
        of(settings.groups, "comm_groups.json"),
        of(settings.memory, "memory.json"),
        settings.binary,
    )


def _json(path: Path | None) -> Mapping[str, Any] | None:
    return None if path is None else json_of(path)


def _network(path: Path | None) -> Mapping[str, Any] | None:
    if path is None:
        return None
    try:
        return network_yaml.read(decoded(bytes_of(path)))
    except NotYaml as error:
        raise Unreadable(f"{path} is not YAML that can be read: {error}") from error


def _per_node(system: Mapping[str, Any] | None, at: Path | None) -> dict[int, str]:
    """Node ids with a custom trace set of their own. Paths are the simulator's: relative to where it is started."""
    name = (system or {}).get("per-node-custom-implementation")
    if not isinstance(name, str) or at is None:
        return {}
    path = next((p for p in (Path(name), at.parent / name) if p.is_file()), None)
    if path is None:
        raise Unreadable(f"cannot read {name}, which {at} names: no such file")
    try:
        return {node: prefix for node, prefix in int_table(decoded(bytes_of(path))).items() if node >= 0}
    except NotYaml as error:
        raise Unreadable(f"{path}: {error}") from error


def _custom(prefix: str, at: Path | None) -> TraceSet:
    """A custom trace set, from here or from beside the system file."""
    near = str(at.parent / prefix) if at else prefix
    return read_set(prefix if find(prefix) or not find(near) else near)
