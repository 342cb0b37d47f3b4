"""Rules on communicator groups: that those in use exist, and that the simulator can run them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from moec.backends.astra.lint.finding import Finding, Rule, marked
from moec.backends.astra.lint.subject import Members, Subject
from moec.compiler.chakra.trace import COLL, Trace
from moec.compiler.chakra.trace_set import Ranks

BAD_GROUP_FILE = Rule(
    "bad-group-file",
    "error",
    "aborts while it reads the file: `stoi`, `Assertion id > 0`, or a JSON type error",
    'write {"1": [0, 1], "2": [2, 3]}: positive integers as keys, lists of ranks as values',
)
BAD_GROUP_NAME = Rule(
    "bad-group-name",
    "error",
    "throws `stoi` inside its event loop, where it is swallowed: the rank never finishes, exit code 0",
    "make `pg_name` the digits of a group's number",
)
UNKNOWN_GROUP = Rule(
    "unknown-group",
    "error",
    "leaves with exit code 1: `communicator group … not found`",
    "give the communicator file, with this group in it",
)
LONE_GROUP = Rule(
    "group-of-one",
    "error",
    "never ends the collective: exit code 0, no `finished` line",
    "leave collectives of a single rank out",
)
NON_MEMBER = Rule(
    "not-a-member",
    "error",
    "aborts: `Assertion index_in_ring >= 0`",
    "add the rank to the group, or leave the node out",
)
STRANGE_RANK = Rule(
    "group-rank-range",
    "error",
    "aborts when it routes a message there: `Assertion 0 <= dest && dest < npus_count`",
    "name ranks from 0 to the number of NPUs less one",
)
REPEATED_RANK = Rule(
    "group-rank-twice",
    "error",
    "never ends the group's collectives: exit code 0, no `finished` line",
    "name every rank of a group once",
)
UNORDERED = Rule(
    "group-unordered",
    "warning",
    "takes the list's order for the ring, but the sorted one for the files of custom collectives",
    "list ranks in ascending order",
    "read",
)
LARGE_NUMBER = Rule(
    "group-number-large",
    "warning",
    "counts a group's streams from 1,000,000 times its number in 32 bits, which overflows from 2148 on",
    "number the groups densely from 1",
    "read",
)
SHARED_TAGS = Rule(
    "group-tags-shared",
    "warning",
    "takes message tags modulo 500,000,000: groups whose numbers differ by a multiple of 500 share them",
    "use fewer groups, or make sure that ranks of such groups never exchange messages at the same time",
    "read",
)
RULES = (
    BAD_GROUP_FILE,
    BAD_GROUP_NAME,
    UNKNOWN_GROUP,
    LONE_GROUP,
    NON_MEMBER,
    STRANGE_RANK,
    REPEATED_RANK,
    UNORDERED,
    LARGE_NUMBER,
    SHARED_TAGS,
)
_LARGEST, _TAG_PERIOD = 2147, 500


def check(subject: Subject) -> Iterator[Finding]:
    """Findings on the communicator file and on the nodes that name groups."""
    members = subject.group_members()
    yield from _file(subject, members)
    used: dict[str, None] = {}
    for trace, ranks in subject.each():
        for name in dict.fromkeys(g for g, kind in zip(trace.group, trace.kind, strict=True) if kind == COLL):
            if name:
                used[name] = None
                yield from _use(trace, ranks, name, members.get(name), given=subject.groups is not None)
    yield from _tags([name for name in used if name in members], members)


def _file(subject: Subject, members: Mapping[str, Members]) -> Iterator[Finding]:
    for name, value in (subject.groups or {}).items():
        if not _is_number(name):
            yield Finding(BAD_GROUP_FILE, f"`{name}` is no positive integer")
        elif (name.lstrip("0") or name) not in members:
            yield Finding(BAD_GROUP_FILE, f"group {name} is no list of ranks: {str(value)[:40]}")
        elif int(name) > _LARGEST:
            yield Finding(LARGE_NUMBER, f"group {name}")
    for name, ranks in members.items():
        beyond = tuple(r for r in ranks if not 0 <= r < subject.world)
        if beyond:
            yield Finding(STRANGE_RANK, f"group {name} has ranks that are not among the {subject.world}", beyond)
        if len(set(ranks)) < len(ranks):
            yield Finding(REPEATED_RANK, f"group {name} names a rank twice")
        elif list(ranks) != sorted(ranks):
            yield Finding(UNORDERED, f"group {name} is not in ascending order")


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and int(name) > 0


def _use(trace: Trace, ranks: Ranks, name: str, members: Members | None, *, given: bool) -> Iterator[Finding]:
    mask = np.array([g == name for g in trace.group]) & (trace.kind == COLL)
    if not _is_number(name):
        yield from marked(BAD_GROUP_NAME, trace, ranks, mask, f"`pg_name` is {name!r}")
    elif members is None:
        where = "the communicator file does not have it" if given else "no communicator file is given"
        yield from marked(UNKNOWN_GROUP, trace, ranks, mask, f"group {name}: {where}")
    elif len(members) == 1:
        yield from marked(LONE_GROUP, trace, ranks, mask, f"group {name} is rank {members[0]} alone")
    else:
        outside = tuple(sorted(set(ranks) - set(members)))
        if outside:
            yield from marked(NON_MEMBER, trace, outside, mask, f"group {name} without being in it")


def _tags(used: list[str], members: Mapping[str, Members]) -> Iterator[Finding]:
    """Groups whose numbers are congruent and that have two ranks in common: only those can mistake messages."""
    alike = defaultdict(list)
    for name in used:
        if _is_number(name):
            alike[int(name) % _TAG_PERIOD].append(name)
    for names in alike.values():
        for i, first in enumerate(names):
            second = next((n for n in names[i + 1 :] if len(set(members[first]) & set(members[n])) > 1), None)
            if second is not None:
                yield Finding(SHARED_TAGS, f"groups {first} and {second} have ranks in common")
