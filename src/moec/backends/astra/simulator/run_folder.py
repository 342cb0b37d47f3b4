"""A trace folder as the simulator takes it: one trace per rank and four configuration files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from moec.backends.astra.files.configs import CUSTOM_MAP, GROUPS, MEMORY, NETWORK, SYSTEM
from moec.backends.astra.simulator.failure import unusable
from moec.compiler.chakra.reading.read import GZIP
from moec.diagnostics import Diagnostic

_UNPACK = (
    "unpack the traces (`gunzip -c` each into a new file), or time them with `--backend fast`, which reads them packed"
)


@dataclass(frozen=True, slots=True)
class TraceFolder:
    """`<name>.<rank>.et` for `ranks` ranks, with `system.json`, `network.yml`, `memory.json`, and `comm_groups.json` if
    there are groups. Paths inside those files are relative to the folder.
    """

    path: Path
    name: str
    ranks: int

    def trace(self, rank: int) -> Path:
        """The trace of one rank."""
        return self.path / f"{self.name}.{rank}.et"

    def arguments(self) -> list[str]:
        """The simulator's arguments when it runs inside the folder, but for the log folder."""
        found = [
            f"--workload-configuration={self.name}",
            f"--system-configuration={SYSTEM}",
            f"--network-configuration={NETWORK}",
            f"--remote-memory-configuration={MEMORY}",
        ]
        return [*found, f"--comm-group-configuration={GROUPS}"] if (self.path / GROUPS).exists() else found

    def custom_sets(self) -> int:
        """How many operations have a send set of their own; each keeps a file open per rank until the end."""
        path = self.path / CUSTOM_MAP
        if not path.exists():
            return 0
        with path.open(encoding="utf-8") as lines:
            return sum(1 for line in lines if line.strip() and not line.lstrip().startswith("#"))

    def check(self) -> list[Diagnostic]:
        """What is missing, packed, or not writable: the simulator opens traces for appending, though it never writes."""
        missing = [name for name in (SYSTEM, NETWORK, MEMORY) if not (self.path / name).is_file()]
        for rank in range(self.ranks):
            trace = self.trace(rank)
            if not trace.is_file():
                missing.append(trace.name)
            elif not os.access(trace, os.R_OK | os.W_OK):
                return [
                    unusable(f"`{trace}` is not writable", "the simulator opens traces for appending: `chmod u+w` them")
                ]
            elif not missing and _packed(trace):
                return [unusable(f"`{trace}` is packed by gzip, which the simulator does not unpack", _UNPACK)]
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            names = ", ".join(f"`{name}`" for name in missing[:3])
            return [unusable(f"`{self.path}` has no {names}{more}", "`moec compile` writes whole folders")]
        return []


def _packed(trace: Path) -> bool:
    with trace.open("rb") as start:
        return start.read(len(GZIP)) == GZIP
