"""Rules on sends and receives: that each has its other half, and that the network can carry it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moec.backends.astra.lint.finding import Finding, Rule, marked
from moec.backends.astra.lint.subject import Subject
from moec.compiler.chakra.trace import RECV, SEND, Trace
from moec.compiler.chakra.trace_set import Ranks

ZERO_MESSAGE = Rule(
    "zero-message", "error", "aborts: `Assertion chunk_size > 0`", "leave messages of no bytes out, on both sides"
)
SELF_MESSAGE = Rule(
    "message-to-self",
    "error",
    "aborts (`Assertion src != dest`); the congestion-aware Switch carries it there and back",
    "leave out what a rank sends to itself",
)
PEER_RANGE = Rule(
    "peer-range",
    "error",
    "aborts when it routes the message: `Assertion 0 <= dest && dest < npus_count`",
    "name ranks from 0 to the number of NPUs less one",
)
NOT_MINE = Rule(
    "message-of-another",
    "error",
    "throws inside its event loop, where it is swallowed: the rank never finishes, exit code 0",
    "leave `comm_src` of a send and `comm_dst` of a receive out, or write the rank itself",
)
UNSENT = Rule(
    "receive-without-send",
    "error",
    "waits for ever, with exit code 0 and no word: messages are matched by tag, source, target and size",
    "send a message with the same tag and size",
)
UNRECEIVED = Rule(
    "send-without-receive",
    "warning",
    "takes the send as done when the message has arrived, whether somebody wants it or not",
    "write the receive, so that the receiver waits for the message",
)
INSTANT = Rule(
    "instant-message",
    "error",
    "aborts when a message takes less than 1 ns at time 0: `Assertion current_event_list.get_event_time() > current_time`",
    "put a kernel before the first message",
)
RULES = (ZERO_MESSAGE, SELF_MESSAGE, PEER_RANGE, NOT_MINE, UNSENT, UNRECEIVED, INSTANT)
GIB_PER_S = 1.073741824
"""Bytes per nanosecond of the network file's unit, a GB of 2^30 bytes."""
Key = tuple[int, int, int, int]
"""Tag, source, target, size."""


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """One side of messages in one trace: their nodes, and tag, peer and size of each."""

    nodes: NDArray[np.int64]
    tag: NDArray[np.int64]
    peer: NDArray[np.int64]
    size: NDArray[np.int64]


def ends(trace: Trace, kind: int) -> Ends:
    """The sends (or receives) of a trace that have all their attributes."""
    peer = "comm_dst" if kind == SEND else "comm_src"
    whole = trace.kind == kind
    for name in ("comm_tag", peer, "comm_size"):
        whole = whole & trace.attribute(name).integer
    at = np.flatnonzero(whole)
    return Ends(at, *(trace.integers(name)[at] for name in ("comm_tag", peer, "comm_size")))


def check(subject: Subject) -> Iterator[Finding]:
    """Findings on all messages."""
    sides: dict[int, Counter[Key]] = {SEND: Counter(), RECV: Counter()}
    first: dict[tuple[int, Key], tuple[Trace, int, int]] = {}
    for trace, ranks in subject.each():
        for kind in (SEND, RECV):
            found = ends(trace, kind)
            if not found.nodes.size:
                continue
            yield from _single(trace, ranks, kind, found, subject.world)
            if kind == SEND:
                yield from _instant(trace, ranks, found, subject)
            for rank in ranks:
                for i, tag, peer, size in zip(
                    *(x.tolist() for x in (found.nodes, found.tag, found.peer, found.size)), strict=True
                ):
                    key = (tag, rank, peer, size) if kind == SEND else (tag, peer, rank, size)
                    sides[kind][key] += 1
                    first.setdefault((kind, key), (trace, rank, i))
    yield from _unmatched(sides[RECV] - sides[SEND], RECV, sides[SEND], first)
    yield from _unmatched(sides[SEND] - sides[RECV], SEND, sides[RECV], first)


def _single(trace: Trace, ranks: Ranks, kind: int, found: Ends, world: int) -> Iterator[Finding]:
    def nodes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        whole = np.zeros(len(trace), dtype=bool)
        whole[found.nodes[mask]] = True
        return whole

    word = "a send" if kind == SEND else "a receive"
    yield from marked(ZERO_MESSAGE, trace, ranks, nodes(found.size <= 0), f"{word} of no bytes")
    beyond = (found.peer < 0) | (found.peer >= world)
    if beyond.any():
        yield from marked(
            PEER_RANGE, trace, ranks, nodes(beyond), f"{word} with rank {int(found.peer[beyond][0])} of {world}"
        )
    own = trace.attribute("comm_src" if kind == SEND else "comm_dst")
    for rank in ranks:
        yield from marked(SELF_MESSAGE, trace, (rank,), nodes(found.peer == rank), f"{word} with the rank itself")
        other = nodes(np.ones(len(found.nodes), dtype=bool)) & own.integer & (own.value != rank)
        yield from marked(NOT_MINE, trace, (rank,), other, f"{word} that names another rank as its own")


def _instant(trace: Trace, ranks: Ranks, found: Ends, subject: Subject) -> Iterator[Finding]:
    """Sends that nothing precedes, on a network of one dimension. Only the aware binary has an event after one link."""
    network = subject.network or {}
    rate, latency = (_one_number(network.get(key)) for key in ("bandwidth", "latency"))
    if rate <= 0:
        return
    links = 2 if network.get("topology") == ["Switch"] else 1
    on_link = found.size / (rate * GIB_PER_S)
    soon = (on_link if subject.binary == "aware" else links * latency + on_link) < 1
    first = np.diff(trace.dep_start)[found.nodes] == 0
    nodes = np.zeros(len(trace), dtype=bool)
    nodes[found.nodes[soon & first & (found.size > 0)]] = True
    yield from marked(INSTANT, trace, ranks, nodes, "a message at time 0 that takes less than 1 ns")


def _one_number(value: object) -> float:
    """The entry of a list of one number; 0 for anything else."""
    match value:
        case [int() | float() as number]:
            return float(number)
        case _:
            return 0.0


def _unmatched(
    extra: Counter[Key], kind: int, others: Counter[Key], first: dict[tuple[int, Key], tuple[Trace, int, int]]
) -> Iterator[Finding]:
    """One finding per pair of ranks: the first message without its other half, and how many there are."""
    rule, peers = (UNSENT, "from") if kind == RECV else (UNRECEIVED, "to")
    pairs: dict[tuple[int, int], list[Key]] = {}
    for key, count in extra.items():
        pairs.setdefault((key[1], key[2]), []).extend([key] * count)
    near = {(tag, a, b): size for tag, a, b, size in others}
    for (a, b), keys in pairs.items():
        trace, rank, i = first[kind, keys[0]]
        tag, _, _, size = keys[0]
        told = f"{size} bytes with tag {tag} {peers} rank {a if kind == RECV else b}"
        other = near.get((tag, a, b))
        if other is not None and other != size:
            told += f"; there are {other} bytes on the other side"
        yield Finding(rule, told, (rank,), int(trace.id[i]), trace.name(i), len(keys))
