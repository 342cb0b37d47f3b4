"""Rules on the network file, and on what its shape makes of the traces."""

from __future__ import annotations

from collections.abc import Iterator

from moec.backends.astra.files.network_yaml import faults
from moec.backends.astra.lint.finding import Finding, Rule
from moec.backends.astra.lint.subject import Subject
from moec.compiler.chakra.trace import RECV, SEND

BAD_NETWORK = Rule(
    "bad-network",
    "error",
    "leaves with exit code 255 or aborts while it reads the file",
    "give lists of one length: topology (Ring, FullyConnected or Switch), npus_count (from 2), bandwidth (over 0), latency (from 0)",
)
AWARE_DIMS = Rule(
    "aware-one-dimension",
    "error",
    "the congestion-aware binary leaves with exit code 255: `only support 1-dim topology`",
    "use the congestion-unaware binary, or a network of one dimension",
)
AWARE_PAIR = Rule(
    "aware-ring-of-two",
    "error",
    "the congestion-aware binary aborts on a Ring of 2 NPUs: a link is there twice",
    "make it FullyConnected",
)
DIAGONAL = Rule(
    "diagonal-messages",
    "warning",
    "the congestion-unaware binary charges a message for the first dimension in which its ends differ, and for no other",
    "use collectives for traffic that crosses several dimensions, or a network of one dimension",
)
RULES = (BAD_NETWORK, AWARE_DIMS, AWARE_PAIR, DIAGONAL)


def check(subject: Subject) -> Iterator[Finding]:
    """Findings on the network."""
    network = subject.network
    if network is None:
        return
    found = list(faults(network))
    for fault in found:
        yield Finding(BAD_NETWORK, fault)
    if found:
        return
    dims = subject.dims
    if subject.binary == "aware" and len(dims) > 1:
        yield Finding(AWARE_DIMS, f"the network has {len(dims)} dimensions")
    if subject.binary == "aware" and dims == (2,) and network["topology"] == ["Ring"]:
        yield Finding(AWARE_PAIR, "a Ring of 2 NPUs")
    if len(dims) > 1:
        yield from _diagonals(subject)


def _diagonals(subject: Subject) -> Iterator[Finding]:
    """Messages and groups whose ranks differ in several dimensions."""
    crossing = 0
    for trace, ranks in subject.each():
        for kind, peer in ((SEND, "comm_dst"), (RECV, "comm_src")):
            peers = set(trace.integers(peer, -1)[trace.kind == kind].tolist())
            crossing += sum(_differ(subject.dims, rank, other) > 1 for rank in ranks for other in peers if other >= 0)
    if crossing:
        yield Finding(DIAGONAL, f"{crossing} pairs of ranks that exchange messages differ in several dimensions")
    groups = [
        name
        for name, ranks in subject.group_members().items()
        if len(ranks) < subject.world
        and any(_differ(subject.dims, a, b) > 1 for a, b in zip(ranks, ranks[1:] + ranks[:1], strict=True))
    ]
    if groups:
        yield Finding(
            DIAGONAL, f"{len(groups)} groups have neighbours that differ in several dimensions, group {groups[0]} first"
        )


def _differ(dims: tuple[int, ...], a: int, b: int) -> int:
    """In how many dimensions two ranks lie apart; dimension 0 varies fastest."""
    apart = 0
    for count in dims:
        apart += a % count != b % count
        a, b = a // count, b // count
    return apart
