"""ASTRA-sim's file of communicator groups as the simulator reads it (Workload.cc, initialize_comm_groups)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moec.backends.astra.files.json_values import int32, stoi
from moec.backends.astra.network.refusal import Stopped, aborts


def groups_of(raw: Mapping[str, Any]) -> dict[int, tuple[int, ...]]:
    """Members by number; of names that are one number the last in alphabetical order counts. Raises Stopped."""
    found: dict[int, tuple[int, ...]] = {}
    for name in sorted(raw, key=str.encode):
        number = stoi(name)
        if number is None:
            raise Stopped(aborts(f"the communicator file names a group {name!r}: `stoi`"))
        members = tuple(int32({name: rank}, name, 0) for rank in _entries(raw[name]))
        if number <= 0:
            raise Stopped(aborts(f"`Assertion id > 0`: the communicator file has a group {number}"))
        found[number] = members
    return found


def _entries(value: Any) -> list[Any]:
    """What nlohmann's library goes through in a value: the values of an object by its keys, a lone value by itself."""
    if isinstance(value, dict):
        return [value[key] for key in sorted(value, key=str.encode)]
    return value if isinstance(value, list) else [] if value is None else [value]
