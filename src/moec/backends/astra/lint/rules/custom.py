"""Rules on collectives given as trace sets of their own: that the simulator finds them, and that it uses them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import numpy as np

from moec.backends.astra.lint.finding import Finding, Rule, marked
from moec.backends.astra.lint.rules import files, graph, messages
from moec.backends.astra.lint.rules.collectives import SIMULATED, collective_name
from moec.backends.astra.lint.rules.messages import ends
from moec.backends.astra.lint.subject import Subject
from moec.compiler.chakra.trace import COLL, RECV, SEND
from moec.compiler.chakra.trace_set import Member

CUSTOM_LIST = Rule(
    "custom-list", "error", "throws `There should be 1 Chakra ET only` and aborts", "give a list of exactly one prefix"
)
CUSTOM_MISSING = Rule(
    "custom-missing",
    "error",
    "leaves with exit code 1 when it comes to the collective: `Cannot access et file for collective algorithm`",
    "write a file per rank (in a group: per position in it); paths are relative to where the simulator is started",
)
CUSTOM_PEER = Rule(
    "custom-peer",
    "error",
    "looks peers up by their position in the group and reads a larger number from beyond the list: it hangs or aborts",
    "number peers by their position among the group's ranks",
)
CACHED = Rule(
    "custom-cached",
    "error",
    "keeps a group's plan from its first collective of a kind: a custom one sticks to the others (which may then hang), or is ignored after them",
    "use a group number of its own, with the same ranks, for each collective with a custom trace set",
)
PIECES = Rule(
    "custom-in-pieces",
    "error",
    "waits for as many streams as there are chunks but starts one: the collective never ends, exit code 0",
    "set `preferred-dataset-splits` to 1 where collectives are trace sets of their own",
)
RULES = (CUSTOM_LIST, CUSTOM_MISSING, CUSTOM_PEER, CACHED, PIECES)
_NOT_HERE = (files.MISSING_RANK, files.MANY_FILES, graph.WIDE, messages.PEER_RANGE, messages.NOT_MINE)
"""What CUSTOM_MISSING and CUSTOM_PEER say better, and what does not count in a custom set: all its nodes start at once."""


def check(subject: Subject) -> Iterator[Finding]:
    """Findings on custom collectives."""
    for key, value in (subject.system or {}).items():
        if key.endswith("-implementation-custom") and not (isinstance(value, list) and len(value) == 1):
            yield Finding(CUSTOM_LIST, f"`{key}` is {value!r}")
    if subject.per_node:
        yield from _per_node(subject)
    if subject.splits > 1:
        yield from _in_pieces(subject)
    for prefix in _for_all(subject):
        yield from _files(subject, prefix, range(subject.world))


def _for_all(subject: Subject) -> list[str]:
    """Prefixes that stand for all collectives of a kind."""
    found = []
    for key, value in (subject.system or {}).items():
        if key.endswith("-implementation-custom") and isinstance(value, list) and len(value) == 1:
            found.append(str(value[0]))
    return found


def _in_pieces(subject: Subject) -> Iterator[Finding]:
    """Nodes whose collective is a trace set, by node or by kind, where collectives are cut up."""
    own = np.array(sorted(subject.per_node or ()), dtype=np.uint64)
    system = subject.system or {}
    kinds = [k for k in SIMULATED if f"{collective_name(k).replace('_', '-')}-implementation-custom" in system]
    for trace, ranks in subject.each():
        known = trace.attribute("comm_type").integer & np.isin(trace.integers("comm_type"), kinds)
        nodes = (trace.kind == COLL) & (known | np.isin(trace.id, own))
        told = f"a custom trace set, and `preferred-dataset-splits` is {subject.splits}"
        yield from marked(PIECES, trace, ranks, nodes, told)


def _files(subject: Subject, prefix: str, needed: range) -> Iterator[Finding]:
    """Whether a custom set has the files it needs, and names peers that exist."""
    traces = (subject.custom or {}).get(prefix)
    there = set(traces.ranks) if traces else set()
    absent = tuple(i for i in needed if i not in there)
    if absent:
        yield Finding(CUSTOM_MISSING, f"`{prefix}` lacks {len(absent)} of {len(needed)} files", absent)
    if traces is None:
        return
    for member in traces.members:
        yield from _peers(prefix, member, len(needed))
    for finding in chain(*(family.check(Subject(traces)) for family in (files, graph, messages))):
        if finding.rule not in _NOT_HERE:
            yield replace(finding, sentence=f"`{prefix}`: {finding.sentence}")


def _peers(prefix: str, member: Member, size: int) -> Iterator[Finding]:
    trace = member.content.trace
    for kind in (SEND, RECV):
        found = ends(trace, kind)
        beyond = np.zeros(len(trace), dtype=bool)
        beyond[found.nodes[(found.peer < 0) | (found.peer >= size)]] = True
        yield from marked(CUSTOM_PEER, trace, member.ranks, beyond, f"`{prefix}`: a peer beyond the {size} ranks")


def _per_node(subject: Subject) -> Iterator[Finding]:
    """Custom sets by node: their files, and whether the group's plan lets them through."""
    own = subject.per_node or {}
    ids = np.array(sorted(own), dtype=np.uint64)
    members = subject.group_members()
    seen: set[tuple[str, int]] = set()
    for trace, ranks in subject.each():
        nodes = (trace.kind == COLL) & np.isin(trace.id, ids)
        kinds = trace.integers("comm_type")
        for i in np.flatnonzero(nodes).tolist():
            group, prefix = trace.group[i], own[int(trace.id[i])]
            size = len(members.get(group, ())) if group else subject.world
            if (prefix, size) not in seen:
                seen.add((prefix, size))
                yield from _files(subject, prefix, range(size))
        groups = np.array(trace.group, dtype=object)
        for group in dict.fromkeys(groups[nodes].tolist()):
            if group:
                for kind in dict.fromkeys(kinds[nodes & (groups == group)].tolist()):
                    shared = (trace.kind == COLL) & (groups == group) & (kinds == kind)
                    prefixes = {own.get(int(node)) for node in trace.id[shared]}
                    if len(prefixes) > 1:
                        told = f"group {group} has {int(shared.sum())} collectives of this kind that need {len(prefixes)} plans"
                        yield from marked(CACHED, trace, ranks, nodes & shared, told)
