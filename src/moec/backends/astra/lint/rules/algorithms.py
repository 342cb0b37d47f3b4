"""Rules on the algorithms of collectives: that each collective in use has one, and that it does what its name says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moec.backends.astra.lint.finding import Finding, Rule, marked
from moec.backends.astra.lint.rules.collectives import SIMULATED, collective_name
from moec.backends.astra.lint.subject import Subject
from moec.compiler.chakra.trace import COLL, Trace
from moec.compiler.chakra.trace_set import Ranks

BAD_ALGORITHM = Rule(
    "bad-algorithm",
    "error",
    "leaves with exit code 1 (`Cannot interpret collective implementations`), aborts (`type must be array`), or finds none",
    "give a list of ring, direct, halvingDoubling, doubleBinaryTree, oneRing, oneDirect or oneHalvingDoubling",
)
NO_ALGORITHM = Rule(
    "no-algorithm",
    "error",
    "throws `No collective implementation found` inside its event loop, where it is swallowed: no rank finishes, exit code 0",
    "set the collective's `…-implementation`, an entry per dimension",
)
FEW_ALGORITHMS = Rule(
    "fewer-algorithms-than-dimensions",
    "error",
    "skips the dimensions without an algorithm and reports the shorter time",
    "give an algorithm per dimension",
)
MANY_ALGORITHMS = Rule(
    "more-algorithms-than-dimensions",
    "error",
    "aborts: `Assertion collective_impl.size() <= dimension_size.size()`",
    "give an algorithm per dimension, no more",
)
RING_EXCHANGE = Rule(
    "ring-all-to-all",
    "warning",
    "walks every block around the ring step by step: N/2 times the traffic of an all-to-all",
    'use "direct"',
)
FORCED_RING = Rule(
    "group-forced-to-ring",
    "warning",
    "runs a group smaller than the world as one flat ring when the algorithm list has several entries, all-to-alls too",
    "give one algorithm, use a network of one dimension, or a custom collective",
)
HALVING = Rule(
    "halving-doubling",
    "error",
    "hangs (exit code 0) or leaves ranks out unless their number is a power of two, and has no all-to-all (exit code 1)",
    "use ring or direct",
)
TREE = Rule(
    "double-binary-tree",
    "error",
    "crashes (SIGSEGV) in communicator groups and unless the number of ranks is a power of two; other collectives than all-reduce get the time of an all-reduce",
    "use ring or direct",
)
SWITCH_DIRECT = Rule(
    "unaware-switch-direct",
    "warning",
    "the congestion-unaware binary sends `direct` messages through a switch all at once, each at full bandwidth: N−1 times too fast",
    "use the congestion-aware binary, or ring",
)
HALVING_SMALL = Rule(
    "halving-doubling-small",
    "error",
    "aborts in an all-reduce whose chunks have fewer than two bytes per rank: `Assertion chunk_size > 0`",
    "use ring or direct, fewer splits, or a larger collective",
)
WHOLE_MESSAGES = Rule(
    "whole-messages",
    "warning",
    "the congestion-aware Switch stores a whole message before it forwards it: with one chunk in flight every step of a ring takes twice as long",
    "set `preferred-dataset-splits` and `active-chunks-per-dimension` to 8 or more, or use direct",
)
RULES = (
    BAD_ALGORITHM,
    NO_ALGORITHM,
    FEW_ALGORITHMS,
    MANY_ALGORITHMS,
    RING_EXCHANGE,
    FORCED_RING,
    HALVING,
    TREE,
    SWITCH_DIRECT,
    HALVING_SMALL,
    WHOLE_MESSAGES,
)
_NAMES = ("ring", "oneRing", "doubleBinaryTree", "halvingDoubling", "oneHalvingDoubling")
_WINDOWED = ("direct", "oneDirect")
_FLAT = "one"
"""How the names of algorithms begin that take all NPUs as one flat dimension."""
_KINDS = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all")
_ALL_TO_ALL, _ALL_REDUCE = "all_to_all", "all_reduce"


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """Collectives of one kind in one group ("" for all ranks) of one trace; `size`: ranks of the group."""

    kind: str
    group: str
    size: int
    trace: Trace
    ranks: Ranks
    nodes: NDArray[np.bool_]

    def finding(self, rule: Rule, sentence: str) -> Iterator[Finding]:
        return marked(rule, self.trace, self.ranks, self.nodes, sentence)


def check(subject: Subject) -> Iterator[Finding]:
    """Findings on algorithms, where a system file is given."""
    system = subject.system
    if system is None:
        return
    lists: dict[str, list[str]] = {}
    for kind in _KINDS:
        key = f"{kind.replace('_', '-')}-implementation"
        if key in system:
            fault = _fault(system[key])
            if fault:
                yield Finding(BAD_ALGORITHM, f"`{key}` {fault}")
            else:
                lists[kind] = system[key]
    for use in uses(subject):
        if f"{use.kind.replace('_', '-')}-implementation-custom" in system:
            continue
        if use.kind in lists:
            yield from _use(use, lists[use.kind], subject)
        elif f"{use.kind.replace('_', '-')}-implementation" not in system:
            yield from use.finding(NO_ALGORITHM, f"`{use.kind.replace('_', '-')}-implementation` is missing")


def uses(subject: Subject) -> Iterator[Use]:
    """The collectives of all traces by kind and group, without those that have a custom trace set of their own."""
    members = subject.group_members()
    own = np.array(sorted(subject.per_node or ()), dtype=np.uint64)
    for trace, ranks in subject.each():
        nodes = (trace.kind == COLL) & trace.attribute("comm_type").integer & ~np.isin(trace.id, own)
        kinds = trace.integers("comm_type")
        groups = np.array(trace.group, dtype=object)
        for kind in SIMULATED:
            of_kind = nodes & (kinds == kind)
            for group in dict.fromkeys(groups[of_kind].tolist()):
                size = len(members[group]) if group in members else subject.world if not group else 0
                yield Use(collective_name(kind), group, size, trace, ranks, of_kind & (groups == group))


def _fault(value: Any) -> str:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return "is no list of names"
    for name in value:
        windowed = any(name.startswith(w) and name[len(w) :].isdigit() for w in _WINDOWED)
        if name not in _NAMES + _WINDOWED and not windowed:
            return f"has the unknown algorithm {name!r}"
    return "" if value else "is empty"


def _use(use: Use, algorithms: list[str], subject: Subject) -> Iterator[Finding]:
    dims, small = subject.dims, bool(use.group) and use.size < subject.world
    if small and len(algorithms) > 1:
        yield from use.finding(
            FORCED_RING, f"{use.kind} of group {use.group}: the list has {len(algorithms)} algorithms"
        )
        return
    flat = algorithms[0].startswith(_FLAT)
    if not small and dims and not flat and len(algorithms) != len(dims):
        rule = FEW_ALGORITHMS if len(algorithms) < len(dims) else MANY_ALGORITHMS
        yield from use.finding(rule, f"{use.kind}: {len(algorithms)} algorithm(s) for {len(dims)} dimensions")
    sizes = (use.size,) if small or flat or not dims else dims
    for algorithm, size in zip(algorithms, sizes, strict=False):
        yield from _algorithm(use, algorithm, size, small=small)
        if algorithm == "halvingDoubling" and use.kind == _ALL_REDUCE and subject.splits > 0:
            yield from _too_small(use, size, subject)
    yield from _stored(use, algorithms[0], subject)
    if subject.binary == "unaware":
        switches = [t == "Switch" for t in (subject.network or {}).get("topology", ())]
        if any(a == "direct" and s for a, s in zip(algorithms, switches, strict=False)):
            yield from use.finding(SWITCH_DIRECT, f"{use.kind} by direct on a Switch")


def _algorithm(use: Use, algorithm: str, size: int, *, small: bool) -> Iterator[Finding]:
    if algorithm in ("ring", "oneRing") and use.kind == _ALL_TO_ALL and size > 2:
        yield from use.finding(RING_EXCHANGE, f"all_to_all by {algorithm} on {size} ranks")
    even = _power_of_two(size)
    if algorithm in ("halvingDoubling", "oneHalvingDoubling") and (use.kind == _ALL_TO_ALL or not even):
        yield from use.finding(HALVING, f"{use.kind} by {algorithm} on {size} ranks")
    if algorithm == "doubleBinaryTree" and (small or use.kind != _ALL_REDUCE or not even):
        yield from use.finding(TREE, f"{use.kind} by {algorithm} on {size} ranks{' in a group' if small else ''}")


def _too_small(use: Use, size: int, subject: Subject) -> Iterator[Finding]:
    """The chunk is halved once more than there are bits in the number of ranks."""
    bytes_of = use.trace.integers("comm_size", -1)
    chunk = np.maximum(bytes_of // subject.splits, subject.world)
    low = replace(use, nodes=use.nodes & (bytes_of >= 0) & (chunk < 2 * size))
    yield from low.finding(HALVING_SMALL, f"all_reduce by halvingDoubling of fewer than {2 * size} bytes a chunk")


def _stored(use: Use, algorithm: str, subject: Subject) -> Iterator[Finding]:
    """Steps that wait for whole messages, on the binary that knows of it."""
    switch = (subject.network or {}).get("topology") == ["Switch"]
    active = (subject.system or {}).get("active-chunks-per-dimension", 1)
    if subject.binary != "aware" or not switch or algorithm.startswith(_WINDOWED) or use.size < 2:
        return
    if subject.splits == 1 or active == 1:
        yield from use.finding(WHOLE_MESSAGES, f"{use.kind} by {algorithm} on a Switch, one chunk at a time")


def _power_of_two(n: int) -> bool:
    return n > 0 and n & (n - 1) == 0
