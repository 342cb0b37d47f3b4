"""How two trace sets differ: ranks, nodes, and the fields of nodes, told once for all ranks that differ alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from moec.compiler.chakra.reading.read import raw_node
from moec.compiler.chakra.trace import Trace
from moec.compiler.chakra.trace_set import Ranks, TraceSet
from moec.compiler.chakra.view import Value, view

ABSENT = "(absent)"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is unlike on `ranks`: a `field` of `nodes` nodes, the first of which is `node`.

    `field` is `rank` or `node` where a whole file or node is on one side only. `total_a`, `total_b`: sums over the nodes
    where the field is a number.
    """

    field: str
    ranks: Ranks
    node: int | None = None
    name: str = ""
    nodes: int = 0
    a: Value = ""
    b: Value = ""
    total_a: float | None = None
    total_b: float | None = None


def diff(a: TraceSet, b: TraceSet) -> tuple[Difference, ...]:
    """All differences, in the order of ranks and nodes; none if every node of every rank has the same fields."""
    of_a = {rank: i for i, member in enumerate(a.members) for rank in member.ranks}
    of_b = {rank: i for i, member in enumerate(b.members) for rank in member.ranks}
    found: list[Difference] = []
    for here, there, sides in ((of_a, of_b, ("present", ABSENT)), (of_b, of_a, (ABSENT, "present"))):
        alone = tuple(sorted(set(here) - set(there)))
        if alone:
            found.append(Difference("rank", alone, a=sides[0], b=sides[1]))
    pairs: dict[tuple[int, int], list[int]] = {}
    for rank in sorted(set(of_a) & set(of_b)):
        pairs.setdefault((of_a[rank], of_b[rank]), []).append(rank)
    for (i, j), ranks in pairs.items():
        found += (
            replace(difference, ranks=tuple(ranks))
            for difference in _between(a.members[i].content.trace, b.members[j].content.trace)
        )
    return _folded(found)


def _folded(found: list[Difference]) -> tuple[Difference, ...]:
    """Ranks with the same difference as one, whatever the number of the node is there: the first one's stands."""
    alike: dict[Difference, tuple[Difference, list[int]]] = {}
    for difference in found:
        _, ranks = alike.setdefault(replace(difference, ranks=(), node=None), (difference, []))
        ranks.extend(difference.ranks)
    return tuple(replace(first, ranks=tuple(sorted(ranks))) for first, ranks in alike.values())


def _between(a: Trace, b: Trace) -> Iterator[Difference]:
    """Differences of two traces; `ranks` are still empty."""
    place_a = {int(a.id[i]): int(i) for i in a.by_id}
    place_b = {int(b.id[i]): int(i) for i in b.by_id}
    for mine, theirs, trace, sides in (
        (place_a, place_b, a, ("present", ABSENT)),
        (place_b, place_a, b, (ABSENT, "present")),
    ):
        alone = [node for node in mine if node not in theirs]
        if alone:
            first = trace.name(mine[alone[0]])
            yield Difference("node", (), alone[0], first, len(alone), *sides)
    unlike: dict[str, list[tuple[int, str, Value, Value]]] = {}
    for node, i in place_a.items():
        j = place_b.get(node)
        if j is None or (a.schema == b.schema and raw_node(a, i) == raw_node(b, j)):
            continue
        left, right = view(a, i), view(b, j)
        for field in dict.fromkeys((*left.fields, *right.fields)):
            x, y = left.fields.get(field, ABSENT), right.fields.get(field, ABSENT)
            if x != y:
                unlike.setdefault(field, []).append((node, left.name, x, y))
    for field, rows in unlike.items():
        node, name, x, y = rows[0]
        yield Difference(
            field, (), node, name, len(rows), x, y, _total([r[2] for r in rows]), _total([r[3] for r in rows])
        )


def _total(values: list[Value]) -> float | None:
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    return sum(numbers) if len(numbers) == len(values) else None
