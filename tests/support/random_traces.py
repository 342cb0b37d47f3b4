"""Random trace sets, sound or broken in one place: a common program of all ranks, and mutations of what they would run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from support.traces import coll, comp, memory, recv, send, write_set

Random = np.random.Generator
Nodes = list[list[Any]]
"""The nodes of each rank."""
AR, AG, A2A, RS = 0, 2, 6, 7
NETWORKS = (
    ("Switch", (2, 3, 4, 8)),
    ("Ring", (3, 4, 8)),
    ("FullyConnected", (2, 4, 6)),
)
STEPS = {"kernel": 0.3, "world": 0.25, "group": 0.25, "message": 0.15, "memory": 0.05}
"""What a step of the program is, and how often."""
MEMORY = {"memory-type": "PER_NPU_MEMORY_EXPANSION", "remote-mem-bw": 50, "remote-mem-latency": 100}


def random_set(folder: Path, seed: int) -> tuple[str, int, str]:
    """Writes the set of a seed; its prefix, its ranks and what was broken in it (nothing: "")."""
    rng = np.random.default_rng(seed)
    topology, counts = NETWORKS[rng.integers(len(NETWORKS))]
    world = int(rng.choice(counts))
    groups = _groups(rng, world)
    splits = int(rng.choice([1, 2, 4]))
    ranks = _program(rng, world, groups, splits)
    broken = ""
    if rng.random() < 0.65:
        broken = str(rng.choice(sorted(MUTATIONS)))
        MUTATIONS[broken](rng, ranks, groups)
    prefix = write_set(
        folder,
        ranks,
        network={"topology": [topology], "npus_count": [world]},
        system=_system(rng, splits),
        groups=groups,
        memory=MEMORY,
    )
    return prefix, world, broken


def _system(rng: Random, splits: int) -> dict[str, Any]:
    names = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all")
    algorithms: dict[str, Any] = {f"{n}-implementation": [str(rng.choice(["ring", "direct"]))] for n in names}
    return {**algorithms, "preferred-dataset-splits": splits, "scheduling-policy": str(rng.choice(["LIFO", "FIFO"]))}


def _groups(rng: Random, world: int) -> dict[str, list[int]]:
    """Halves of the ranks, if they can be halved, and all of them, under small numbers."""
    groups = {"1": list(range(world))}
    if world >= 4 and world % 2 == 0:
        half = world // 2
        by_block = bool(rng.integers(2))
        groups["2"] = list(range(half)) if by_block else list(range(0, world, 2))
        groups["3"] = [r for r in range(world) if r not in groups["2"]]
    return groups


def _program(rng: Random, world: int, groups: dict[str, list[int]], splits: int) -> Nodes:
    """Steps that all ranks take in one order: kernels, collectives of all or of groups, messages, loads."""
    ranks: Nodes = [[] for _ in range(world)]
    for step in range(1, int(rng.integers(3, 9))):
        what = str(rng.choice(sorted(STEPS), p=[STEPS[name] for name in sorted(STEPS)]))
        _step(rng, ranks, groups, 10 * step, what, int(rng.integers(1, 40)) * splits * world * 8)
    for nodes in ranks:
        nodes.append(comp(1000, _last(nodes), 50))
    return ranks


def _step(rng: Random, ranks: Nodes, groups: dict[str, list[int]], id: int, what: str, size: int) -> None:
    kind, world = int(rng.choice([AR, AG, A2A, RS])), len(ranks)
    if what == "world":
        _everywhere(ranks, lambda r, d: coll(id, d, size, kind))
    elif what == "group":
        for name in ("2", "3") if "2" in groups else ("1",):
            for rank in groups[name]:
                ranks[rank].append(coll(id, _last(ranks[rank]), size, kind, name))
    elif what == "message":
        a, b = (int(x) for x in rng.choice(world, 2, replace=False))
        ranks[a].append(send(id, b, _last(ranks[a]), size, tag=id))
        ranks[b].append(recv(id, a, _last(ranks[b]), size, tag=id))
    elif what == "memory":
        _everywhere(ranks, lambda r, d: memory(id, d, size))
    else:
        times = rng.integers(1, 5000, world)
        _everywhere(ranks, lambda r, d: comp(id, d, int(times[r])))


def _everywhere(ranks: Nodes, made: Callable[[int, list[int]], Any]) -> None:
    for rank, nodes in enumerate(ranks):
        nodes.append(made(rank, _last(nodes)))


def _last(nodes: list[Any]) -> list[int]:
    return [nodes[-1].id] if nodes else []


def _one(rng: Random, ranks: Nodes, kinds: tuple[int, ...] = (2, 4, 5, 6, 7)) -> tuple[list[Any], int] | None:
    """A random node of those kinds: its rank's nodes and its place among them."""
    places = [(nodes, i) for nodes in ranks for i, node in enumerate(nodes) if node.type in kinds]
    return places[rng.integers(len(places))] if places else None


def _attribute(node: Any, name: str) -> Any:
    return next((a for a in node.attr if a.name == name), None)


def _change(name: str, change: Callable[[Random, Any], None], kinds: tuple[int, ...]) -> Callable[..., None]:
    """A mutation of one attribute of one node."""

    def mutate(rng: Random, ranks: Nodes, groups: Any) -> None:
        found = _one(rng, ranks, kinds)
        if found is not None and (attribute := _attribute(found[0][found[1]], name)) is not None:
            change(rng, attribute)

    return mutate


def _set(value: int) -> Callable[[Random, Any], None]:
    return lambda rng, attribute: setattr(attribute, "int64_val", value)


def _grow(rng: Random, attribute: Any) -> None:
    attribute.int64_val *= 2


def _drop(rng: Random, ranks: Nodes, groups: Any) -> None:
    """One node less on one rank; what waited for it waits for what it waited for."""
    found = _one(rng, ranks)
    if found is None:
        return
    nodes, i = found
    gone = nodes.pop(i)
    for other in nodes:
        if gone.id in other.data_deps:
            kept = [d for d in other.data_deps if d != gone.id] + list(gone.data_deps)
            del other.data_deps[:]
            other.data_deps.extend(kept)


def _swap(rng: Random, ranks: Nodes, groups: Any) -> None:
    """Two neighbours of one rank in the other order."""
    found = _one(rng, ranks, (5, 6, 7))
    if found is None or found[1] + 1 >= len(found[0]):
        return
    nodes, i = found
    first, second = nodes[i], nodes[i + 1]
    before, first_id, second_id = list(first.data_deps), first.id, second.id
    first.id, second.id = second_id, first_id
    del first.data_deps[:], second.data_deps[:]
    second.data_deps.extend(before)
    first.data_deps.append(first_id)
    nodes[i], nodes[i + 1] = second, first


def _loosen(rng: Random, ranks: Nodes, groups: Any) -> None:
    """One node that waits for nothing."""
    found = _one(rng, ranks)
    if found is not None:
        del found[0][found[1]].data_deps[:]


def _depend(on: Callable[[list[Any], int], int]) -> Callable[..., None]:
    def mutate(rng: Random, ranks: Nodes, groups: Any) -> None:
        found = _one(rng, ranks)
        if found is not None:
            found[0][found[1]].data_deps.append(on(*found))

    return mutate


def _retype(rng: Random, ranks: Nodes, groups: Any) -> None:
    found = _one(rng, ranks, (4, 5, 7))
    if found is not None:
        found[0][found[1]].type = int(rng.choice([0, 1, 9]))


def _forget(rng: Random, ranks: Nodes, groups: Any) -> None:
    """One attribute less."""
    found = _one(rng, ranks)
    if found is not None:
        node = found[0][found[1]]
        needed = [i for i, a in enumerate(node.attr) if a.name not in ("is_cpu_op", "pg_name")]
        del node.attr[needed[rng.integers(len(needed))]]


def _shrink(rng: Random, ranks: Nodes, groups: dict[str, list[int]]) -> None:
    """A group that lost a member."""
    name = str(rng.choice(sorted(groups)))
    groups[name].pop(int(rng.integers(len(groups[name]))))


def _double(rng: Random, ranks: Nodes, groups: Any) -> None:
    """A node twice, with another id."""
    found = _one(rng, ranks, (5, 6, 7))
    if found is not None:
        nodes, i = found
        again = type(nodes[i])()
        again.CopyFrom(nodes[i])
        again.id += 3
        nodes.insert(i + 1, again)


def _as_float(rng: Random, attribute: Any) -> None:
    value = float(attribute.int64_val)
    name = attribute.name
    attribute.Clear()
    attribute.name, attribute.float_val = name, value


def _as_other_integer(rng: Random, attribute: Any) -> None:
    value, name = attribute.int64_val, attribute.name
    form = str(rng.choice(["uint64_val", "sint64_val", "fixed64_val"]))
    attribute.Clear()
    attribute.name = name
    setattr(attribute, form, value)


MUTATIONS: dict[str, Callable[..., None]] = {
    "another tag": _change("comm_tag", _set(77), (5, 6)),
    "another size": _change("comm_size", _grow, (5, 6, 7)),
    "another kind": _change("comm_type", _set(RS), (7,)),
    "unsupported kind": _change("comm_type", _set(1), (7,)),
    "no bytes": _change("comm_size", _set(0), (5, 6, 7)),
    "no time": _change("num_ops", _set(0), (4,)),
    "a float": _change("comm_size", _as_float, (5, 6, 7)),
    "another integer type": _change("comm_size", _as_other_integer, (5, 6, 7)),
    "to nobody": _change("comm_dst", _set(99), (5,)),
    "a node less": _drop,
    "a node twice": _double,
    "another order": _swap,
    "no dependency": _loosen,
    "a cycle": _depend(lambda nodes, i: nodes[-1].id),
    "nothing to depend on": _depend(lambda nodes, i: 7777),
    "another node type": _retype,
    "an attribute less": _forget,
    "a smaller group": _shrink,
}
"""What is done to a sound set, by name. Some leave it sound, or broken in another way than the name says."""
