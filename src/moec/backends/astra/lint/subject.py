"""What is linted: a trace set with the configuration files that it is to run with, as far as they are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from moec.compiler.chakra.trace import Trace
from moec.compiler.chakra.trace_set import Ranks, TraceSet

Binary = Literal["aware", "unaware"]
"""The simulator's two network models: with congestion (one dimension only) and without."""
Members = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Subject:
    """A trace set and its surroundings; what was not given is None, and nothing is assumed of it.

    `groups`: the content of the communicator file; `custom`: trace sets that stand for collectives, by prefix as written.
    """

    traces: TraceSet
    system: Mapping[str, Any] | None = None
    network: Mapping[str, Any] | None = None
    groups: Mapping[str, Any] | None = None
    memory: Mapping[str, Any] | None = None
    binary: Binary | None = None
    custom: Mapping[str, TraceSet] | None = None
    per_node: Mapping[int, str] | None = None

    @cached_property
    def world(self) -> int:
        """The number of ranks: of the network, or of the files."""
        counts = self.dims
        if counts:
            total = 1
            for count in counts:
                total *= count
            return total
        ranks = self.traces.ranks
        return ranks[-1] + 1 if ranks else 0

    @cached_property
    def dims(self) -> tuple[int, ...]:
        """`npus_count` of the network; empty if there is none or it is no list of integers."""
        counts = (self.network or {}).get("npus_count")
        if not isinstance(counts, list) or not all(isinstance(c, int) and c > 0 for c in counts):
            return ()
        return tuple(counts)

    @property
    def roofline(self) -> bool | None:
        """Whether kernels are computed from `num_ops` (True) or replayed (False)."""
        if self.system is None:
            return None
        value = self.system.get("roofline-enabled", 0)
        return isinstance(value, bool) or value != 0  # whatever is no number is not 0 there, false included

    @property
    def splits(self) -> int:
        """Chunks that a collective is cut into; 0 if not given."""
        value = (self.system or {}).get("preferred-dataset-splits", 0)
        return value if isinstance(value, int) else 0

    def group_members(self) -> Mapping[str, Members]:
        """Ranks of the groups that are written as the simulator needs them, by their numbers without leading zeros."""
        found = {}
        for name, ranks in (self.groups or {}).items():
            if isinstance(ranks, list) and all(isinstance(r, int) for r in ranks):
                found[name.lstrip("0") or name] = tuple(ranks)
        return found

    def each(self) -> Iterator[tuple[Trace, Ranks]]:
        """Every distinct trace with its ranks."""
        for member in self.traces.members:
            yield member.content.trace, member.ranks
