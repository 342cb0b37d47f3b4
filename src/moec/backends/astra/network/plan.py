"""What a collective becomes: pieces (streams), each a list of phases over dimensions, each phase a ring of members."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from moec.backends.astra.network.refusal import Refusal, aborts, crashes, hangs
from moec.backends.astra.network.topology import GROUP_DELAY_NS, SPANNED, AstraNetwork, Kind


@dataclass(frozen=True, slots=True)
class Phase:
    """One algorithm on one ring. `level`: the dimension whose queues it uses; `part`: any of them, or the first or last half.

    `spacing` and `size` describe the ring: `size` ranks at distance `spacing`, or the members of `group`.
    """

    kind: Kind
    algorithm: str
    window: int
    bytes: int
    level: int
    part: int
    spacing: int
    size: int
    group: tuple[int, ...] | None

    def ring(self, rank: int) -> tuple[int, ...]:
        """The members in ring order, for one of them."""
        if self.group is not None:
            return self.group
        reach = self.spacing * self.size
        return _every(rank - rank % reach + rank % self.spacing, reach, self.spacing)

    def where(self, rank: int) -> int:
        """A member's place in its ring."""
        if self.group is not None:
            return self.group.index(rank)
        return rank // self.spacing % self.size


@lru_cache(maxsize=4096)
def _every(first: int, reach: int, spacing: int) -> tuple[int, ...]:
    return tuple(range(first, first + reach, spacing))


@dataclass(frozen=True, slots=True)
class Plan:
    """`pieces` like streams of `phases`; `delay_ns` is the endpoint delay."""

    phases: tuple[Phase, ...]
    pieces: int
    delay_ns: int


ANY, FIRST, LAST = 0, 1, 2
OUTPUT: dict[Kind, Callable[[int, int], int]] = {
    "all_reduce": lambda size, n: size,
    "all_to_all": lambda size, n: size,
    "all_gather": lambda size, n: size * n,
    "reduce_scatter": lambda size, n: size // n,
}


def plan_of(
    kind: Kind,
    size: int,
    network: AstraNetwork,
    group: tuple[int, ...] | None,
    involved: tuple[bool, ...] | None = None,
) -> Plan | Refusal:
    """The streams of one collective; `group` None is the world. `size` is the trace's `comm_size`.

    `involved`: which dimensions take part, for the world only; the default are the first four.
    """
    refused = network.refusal()
    if refused is not None:
        return refused
    inside = group is not None and len(group) < network.ranks
    rings = (
        _group_rings(kind, network, group)
        if inside and group is not None
        else _world_rings(kind, network, whole=group is not None or involved is not None)
    )
    if isinstance(rings, Refusal):
        return rings
    piece, pieces = _pieces(kind, size, network)
    if pieces == 0:
        return hangs("an all-gather of no bytes never ends")
    if piece == 0:
        return Refusal("loops", None, f"an all-gather of {size} bytes in {network.splits} pieces is cut forever")
    if involved is not None:
        rings = [ring for ring, takes_part in zip(rings, involved, strict=False) if takes_part]
    phases = _phases(kind, piece, [r for r in rings if r.size > 1], network)
    if not phases:
        return hangs("a collective of one rank, or over no dimension, never ends")
    return _refused(phases) or Plan(tuple(phases), pieces, GROUP_DELAY_NS if inside else network.endpoint_ns)


def _pieces(kind: Kind, size: int, network: AstraNetwork) -> tuple[int, int]:
    """Bytes of a piece, and how many; a rest is a whole piece, and pieces have at least a byte per rank."""
    piece = size // network.splits
    if kind != "all_gather" and network.ranks > piece:
        return network.ranks, network.splits
    return piece, -(-size // piece) if piece else size


def _group_rings(kind: Kind, network: AstraNetwork, group: tuple[int, ...]) -> list[Phase] | Refusal:
    """A part of the world is one ring; with algorithms for several dimensions it is the ring algorithm's."""
    names = network.algorithms(kind)
    name, window = _parse(names[0] if len(names) == 1 else "ring")
    if name == "doubleBinaryTree" and len(group) > 1:
        return crashes("a double binary tree in a communicator group")
    return [Phase(kind, name, window, 0, 0, ANY, 0, len(group), group)]


def _world_rings(kind: Kind, network: AstraNetwork, *, whole: bool) -> list[Phase] | Refusal:
    names = network.algorithms(kind)
    if len(names) > len(network.dimensions):
        return aborts("there are algorithms for more dimensions than the network has")
    rings, spacing = [], 1
    for level, (dim, written) in enumerate(zip(network.dimensions, names, strict=False)):
        name, window = _parse(written)
        if written.startswith("one"):
            rings.append(Phase(kind, name, window, 0, level, ANY, 1, network.ranks, None))
            break
        rings.append(Phase(kind, name, window, 0, level, ANY, spacing, dim.npus, None))
        spacing *= dim.npus
    return rings if whole else rings[:SPANNED]


def _parse(written: str) -> tuple[str, int]:
    """Algorithm and window; −1 is no limit."""
    name = written[3:4].lower() + written[4:] if written.startswith("one") else written
    if name.startswith("direct"):
        return "direct", int(name[6:11]) if name != "direct" else -1
    return name, 0


def _phases(kind: Kind, size: int, rings: list[Phase], network: AstraNetwork) -> list[Phase]:
    """All-gathers begin with the last dimension. An all-reduce scatters inward, reduces, and gathers outward."""
    steps: list[tuple[Kind, Phase, int]]
    if kind != "all_reduce" or network.optimization == "baseline":
        order = rings[::-1] if kind == "all_gather" else rings
        steps = [(kind, ring, ANY) for ring in order]
    elif rings:
        inward = rings[:-1]
        steps = [("reduce_scatter", ring, FIRST) for ring in inward]
        steps.append(("all_reduce", rings[-1], FIRST))
        steps += [("all_gather", ring, LAST) for ring in reversed(inward)]
    else:
        steps = []
    phases = []
    for step, ring, part in steps:
        phases.append(
            Phase(step, ring.algorithm, ring.window, size, ring.level, part, ring.spacing, ring.size, ring.group)
        )
        if ring.algorithm != "doubleBinaryTree":
            size = OUTPUT[step](size, ring.size)
    return phases


def _refused(phases: list[Phase]) -> Refusal | None:
    for phase in phases:
        if phase.algorithm == "halvingDoubling" and phase.kind == "all_to_all":
            return Refusal("exits", 1, "halving-doubling knows no all-to-all")
        if phase.algorithm == "doubleBinaryTree" and phase.size & (phase.size - 1):
            return crashes(f"a double binary tree of {phase.size} ranks, which is no power of two")
    return None
