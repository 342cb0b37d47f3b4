"""The trace files of one prefix: `PREFIX.0.et`, `PREFIX.1.et` …, each content read once however many ranks share it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from moec.compiler.chakra.reading.read import Content, content

Ranks = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One content with the ranks whose files have it, ascending."""

    content: Content
    ranks: Ranks
    size: int
    """Bytes of one file."""


@dataclass(frozen=True, eq=False)
class TraceSet:
    """All files of a prefix. `unreadable`: why the file of a rank could not be opened; `read_only`: ranks."""

    prefix: str
    members: tuple[Member, ...]
    unreadable: Mapping[int, str]
    read_only: Ranks

    @cached_property
    def ranks(self) -> Ranks:
        """The ranks with a file, ascending."""
        return tuple(sorted([r for m in self.members for r in m.ranks] + list(self.unreadable)))


def find(prefix: str) -> dict[int, Path]:
    """The trace files of a prefix by rank; none if its folder is not there. Ranks are written without leading zeros."""
    at = Path(prefix)
    pattern = re.compile(re.escape(at.name) + r"\.(0|[1-9]\d*)\.et\Z")
    if not at.parent.is_dir():
        return {}
    named = ((pattern.match(entry.name), entry) for entry in os.scandir(at.parent))
    return {int(match[1]): Path(entry.path) for match, entry in named if match is not None}


def nearby(prefix: str) -> list[str]:
    """Prefixes that may be meant by one that has no trace: of a file, or of the sets in a folder or in those within."""
    shorter = re.sub(r"(\.\d+)?(\.et)?\.?\Z", "", prefix)
    found = [shorter] if shorter != prefix and Path(shorter).name and find(shorter) else []
    at = Path(prefix)
    if at.is_dir():
        firsts = sorted(at.glob("*.0.et")) or sorted(at.glob("*/*.0.et"))
        found += [str(first).removesuffix(".0.et") for first in firsts]
    return found


def read_set(prefix: str, *, world: int | None = None) -> TraceSet:
    """The trace set of a prefix. `world`: leave files of ranks from there on aside, as the simulator does."""
    import hashlib  # brings OpenSSL, 4 MiB that a replay, which only looks for files here, can do without

    contents: dict[bytes, tuple[Content, list[int], int]] = {}
    unreadable: dict[int, str] = {}
    read_only: list[int] = []
    for rank, path in sorted(find(prefix).items()):
        if world is not None and rank >= world:
            continue
        try:
            raw = path.read_bytes()
        except OSError as error:
            unreadable[rank] = (error.strerror or str(error)).lower()
            continue
        if not path.stat().st_mode & 0o222:
            read_only.append(rank)
        key = hashlib.blake2b(raw, digest_size=16).digest()
        if key not in contents:
            contents[key] = (content(raw), [], len(raw))
        contents[key][1].append(rank)
    members = tuple(Member(c, tuple(ranks), size) for c, ranks, size in contents.values())
    return TraceSet(prefix, members, unreadable, tuple(read_only))


def folded(ranks: Ranks) -> str:
    """`rank 3`, `ranks 0-7, 9`: ascending ranks in words."""
    runs: list[list[int]] = []
    for rank in ranks:
        if runs and rank == runs[-1][-1] + 1:
            runs[-1][1:] = [rank]
        else:
            runs.append([rank])
    text = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"rank{'s' if len(ranks) != 1 else ''} {text}"
