"""Rules on the files of a trace set: that they are all there, and that their bytes make sense."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from moec.backends.astra.lint.finding import Finding, Rule
from moec.backends.astra.lint.subject import Subject
from moec.compiler.chakra.reading.read import Fault
from moec.compiler.chakra.trace_set import find

MISSING_RANK = Rule(
    "missing-rank",
    "error",
    "leaves with exit code 1: `workload file: … does not exist`",
    "write a file for every rank from 0 on; an idle one needs a kernel that takes the least time",
)
EXTRA_RANK = Rule(
    "extra-rank",
    "warning",
    "ignores the files of ranks beyond the network's without a word",
    "make the product of `npus_count` the number of files",
)
UNREADABLE = Rule(
    "unreadable",
    "error",
    "leaves with exit code 1 (`exists but is not readable`) or aborts (`Failed to open file`)",
    "make the file readable",
)
READ_ONLY = Rule(
    "read-only",
    "error",
    "opens traces for appending: anyone but root aborts with `Failed to open file`",
    "chmod u+w the files, or copy them",
)
EMPTY_FILE = Rule(
    "empty-file", "error", "aborts: `Failed to read global metadata`", "write the metadata record, then nodes"
)
GZIP = Rule(
    "gzip",
    "error",
    "does not unpack: it takes the bytes for records of nonsense, reports `finished, 0 cycles` for them, then aborts",
    "gunzip the files",
)
BAD_GZIP = Rule(
    "bad-gzip",
    "error",
    "does not unpack: it takes the bytes for records of nonsense, reports `finished, 0 cycles` for them, then aborts",
    "make the file again: it is damaged or cut off",
)
TRUNCATED = Rule(
    "truncated",
    "error",
    "takes what is left of the last record for a node, without a word: it runs it, or loses it and never finishes the rank",
    "make the file again: writing it was interrupted",
)
NO_METADATA = Rule(
    "no-metadata",
    "error",
    "takes the first node for the metadata and drops it: what depends on it is missing something, which aborts",
    "write a GlobalMetadata record before the nodes",
)
BAD_BYTES = Rule(
    "bad-bytes",
    "error",
    "runs what it could decode of the record as a node: times and statistics are of nonsense",
    "make the file again: it is damaged",
)
OLD_SCHEMA = Rule(
    "old-schema",
    "error",
    "takes the first node for the metadata, and fields by their numbers of today: it aborts (`No dependancy free nodes found`) or runs nonsense",
    "convert the trace to schema 0.0.4",
)
MANY_FILES = Rule(
    "many-files",
    "warning",
    "keeps a file per rank open; when the system's limit is reached it leaves with exit code 1 and says nothing",
    "raise the limit before the run: ulimit -n",
)
RULES = (
    MISSING_RANK,
    EXTRA_RANK,
    UNREADABLE,
    READ_ONLY,
    EMPTY_FILE,
    GZIP,
    BAD_GZIP,
    TRUNCATED,
    NO_METADATA,
    BAD_BYTES,
    OLD_SCHEMA,
    MANY_FILES,
)
_OF_FAULT: dict[Fault, Rule] = {
    "empty": EMPTY_FILE,
    "gzip": GZIP,
    "bad-gzip": BAD_GZIP,
    "truncated": TRUNCATED,
    "no-metadata": NO_METADATA,
    "bad-bytes": BAD_BYTES,
    "old-schema": OLD_SCHEMA,
}
_MOST_LISTED = 100_000
"""Missing ranks that are listed one by one; a slip in `npus_count` can make them billions."""
_USUAL_LIMIT = 1024
"""Open files that a process may have unless somebody raised it (the default soft limit of Linux)."""


def check(subject: Subject) -> Iterator[Finding]:
    """Findings on the files as such."""
    traces = subject.traces
    there = set(traces.ranks)
    absent = tuple(islice((r for r in range(subject.world) if r not in there), _MOST_LISTED))
    if absent:
        count = subject.world - len(there)
        yield Finding(MISSING_RANK, f"no file for {count} of {subject.world} ranks", absent)
    if subject.dims:
        extra = tuple(sorted(r for r in find(traces.prefix) if r >= subject.world))
        if extra:
            yield Finding(EXTRA_RANK, f"the network has {subject.world} NPUs", extra)
    for rank, reason in traces.unreadable.items():
        yield Finding(UNREADABLE, f"the file cannot be read: {reason}", (rank,))
    if traces.read_only:
        yield Finding(READ_ONLY, "the file has no write permission", traces.read_only)
    if len(there) >= _USUAL_LIMIT:
        yield Finding(MANY_FILES, f"{len(there)} files; the usual limit is {_USUAL_LIMIT}")
    for member in traces.members:
        for trouble in member.content.troubles:
            yield Finding(_OF_FAULT[trouble.fault], trouble.sentence, member.ranks)
