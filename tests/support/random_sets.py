"""Random trace sets with random configurations, small enough for the real simulator to run many of them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from support.traces import COLL, COMP, MEM_LOAD, coll, comp, encoded, node, recv, send, write_set

KINDS = {0: "all-reduce", 2: "all-gather", 6: "all-to-all", 7: "reduce-scatter"}
ALGORITHMS = ("ring", "direct", "direct1", "direct2", "halvingDoubling", "doubleBinaryTree", "oneRing", "oneDirect")
POOL = {"memory-type": "MEMORY_POOL", "remote-mem-latency": 100, "remote-mem-bw": 50}
MEMORIES = (POOL, {**POOL, "memory-type": "PER_NPU_MEMORY_EXPANSION"})


@dataclass
class RandomSet:
    """What was drawn. `ranks`: nodes by rank; `custom`: nodes by rank of each custom set, by its name."""

    congestion: str
    ranks: list[list[Any]]
    system: dict[str, Any]
    network: dict[str, Any]
    groups: dict[str, list[int]]
    memory: dict[str, Any]
    custom: dict[str, list[list[Any]]] = field(default_factory=dict)
    per_node: dict[int, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def world(self) -> int:
        """Ranks that the simulator runs: those of the network."""
        counts = self.network["npus_count"]
        return prod(counts) if all(isinstance(count, int) for count in counts) else len(self.ranks)

    def write(self, folder: Path) -> str:
        """All files; the prefix."""
        system = dict(self.system)
        if self.per_node:
            system["per-node-custom-implementation"] = "custom.yml"
            (folder).mkdir(parents=True, exist_ok=True)
            (folder / "custom.yml").write_text("".join(f"{i}: {name}\n" for i, name in self.per_node.items()))
        prefix = write_set(
            folder, self.ranks, system=system, network=self.network, groups=self.groups or None, memory=self.memory
        )
        for name, ranks in self.custom.items():
            for rank, nodes in enumerate(ranks):
                (folder / f"{name}.{rank}.et").write_bytes(encoded(nodes))
        return prefix


def random_set(seed: int, *, quick: bool = False) -> RandomSet:
    """The set of a seed. One in eight leaves the order of communication open, and may hang.

    `quick`: without what keeps the quick replay from being tried: several queues, a memory pool, trees, messages.
    """
    draw = random.Random(seed)
    congestion = draw.choice(("aware", "unaware"))
    dims = _dims(draw, congestion)
    world = 1
    for npus in dims["npus_count"]:
        world *= npus
    groups = _groups(draw, world)
    made = RandomSet(congestion, [], _system(draw, dims, quick), dims, groups, draw.choice(MEMORIES[quick:]))
    if quick:
        chained = draw.random() < 0.875
        made.ranks = _Writer(draw, world, groups, made, chained=chained, silent=congestion == "aware").ranks()
        return made
    if draw.random() < 0.15:
        made.options["queues_per_dim"] = draw.choice((2, 3, 4))
    if draw.random() < 0.1:
        made.options["injection_scale"] = draw.choice((0.5, 3.0))
    if draw.random() < 0.1:
        made.options["rendezvous"] = True
    made.ranks = _Writer(draw, world, groups, made, chained=draw.random() < 0.875).ranks()
    return made


def _dims(draw: random.Random, congestion: str) -> dict[str, Any]:
    count = 1 if congestion == "aware" else draw.choice((1, 1, 2, 3))
    sizes = (2, 3, 4, 5, 8) if count == 1 else (2, 3, 4) if count == 2 else (2, 2, 3)
    npus = [draw.choice(sizes) for _ in range(count)]
    kinds = [draw.choice(("Ring", "Switch", "FullyConnected")) for _ in npus]
    if congestion == "aware" and kinds == ["Ring"] and npus == [2]:
        npus = [4]
    return {
        "topology": kinds,
        "npus_count": npus,
        "bandwidth": [float(draw.choice((25, 50, 123.5, 400))) for _ in npus],
        "latency": [float(draw.choice((0.5, 20, 500, 501.7))) for _ in npus],
    }


def _system(draw: random.Random, dims: dict[str, Any], quick: bool) -> dict[str, Any]:
    def names() -> list[str]:
        return [draw.choices(ALGORITHMS, (8, 6, 2, 2, 3, not quick, 1, 1))[0] for _ in dims["npus_count"]]

    return {
        "scheduling-policy": draw.choice(("LIFO", "FIFO", "EXPLICIT")),
        "endpoint-delay": draw.choice((1, 10, 10, 37)),
        "active-chunks-per-dimension": draw.choice((1, 1, 2, 3)),
        "preferred-dataset-splits": draw.choice((1, 1, 2, 4)),
        "collective-optimization": draw.choice(("localBWAware", "baseline")),
        "local-mem-bw": draw.choice((50, 1600, 100000)),
        **{f"{kind}-implementation": names() for kind in KINDS.values()},
    }


def _groups(draw: random.Random, world: int) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    if world >= 4:
        half = world // 2
        groups["1"], groups["2"] = list(range(half)), list(range(half, world))
        groups["3"] = list(range(0, world, 2))
        groups["4"] = list(range(world))
        groups["5"] = draw.sample(range(world), draw.randint(2, world))
    return groups


class _Writer:
    """Draws operations in one global order, so that chained communication cannot deadlock."""

    def __init__(
        self,
        draw: random.Random,
        world: int,
        groups: dict[str, list[int]],
        made: RandomSet,
        *,
        chained: bool,
        silent: bool = False,
    ) -> None:
        self._silent = silent
        self._draw, self._world, self._groups, self._made, self._chained = draw, world, groups, made, chained
        self._nodes: list[list[Any]] = [[] for _ in range(world)]
        self._ids: list[list[int]] = [[] for _ in range(world)]
        self._last: list[int | None] = [None] * world
        self._label, self._in_step = 0, True

    def ranks(self) -> list[list[Any]]:
        draw = self._draw
        alike = draw.random() < 0.3
        for rank in range(self._world):
            self._add(rank, comp, ns=draw.choice((1, 50, 400)) if not alike else 50, apart=True)
        for _ in range(draw.randint(2, 9)):
            shares = (6, 4, 3, 0, 1, 0, 3) if self._silent else (6, 4, 3, 3, 1, 1, 1)
            what = draw.choices(("comp", "world", "group", "send", "memory", "cpu", "custom"), shares)[0]
            {"comp": self._comps, "world": self._world_collective, "group": self._group_collective}.get(
                what, {"send": self._send, "memory": self._memory, "cpu": self._cpu, "custom": self._custom}.get(what)
            )(alike)
        return self._nodes

    def _add(
        self, rank: int, make: Any, *, apart: bool = False, talks: bool = False, at: int = 0, **attrs: Any
    ) -> None:
        known = self._ids[rank]
        label = at or (self._label + 1)
        deps = [] if apart else self._draw.sample(known, min(len(known), self._draw.choice((0, 1, 1, 2))))
        ctrl = [self._last[rank]] if talks and self._chained and self._last[rank] is not None else []
        self._label = max(self._label, label)
        if make is recv or make is send:
            self._nodes[rank].append(make(label, attrs.pop("peer"), deps, ctrl=ctrl, **attrs))
        elif make is None:
            self._nodes[rank].append(node(label, attrs.pop("kind"), deps, ctrl=ctrl, **attrs))
        else:
            self._nodes[rank].append(make(label, deps, ctrl=ctrl, **attrs))
        known.append(label)
        if talks:
            self._last[rank] = label

    def _comps(self, alike: bool) -> None:
        ns = self._draw.randint(1, 30000)
        for rank in range(self._world):
            if alike or self._draw.random() < 0.8:
                self._add(rank, comp, ns=ns if alike else self._draw.randint(1, 30000))

    def _cpu(self, alike: bool) -> None:
        del alike
        rank = self._draw.randrange(self._world)
        self._add(rank, None, kind=COMP, micros=self._draw.choice((0, 1, 5)), is_cpu_op=True)

    def _memory(self, alike: bool) -> None:
        del alike
        for rank in range(self._world):
            if self._draw.random() < 0.6:
                self._add(
                    rank, None, kind=MEM_LOAD, is_cpu_op=False, tensor_size=self._draw.randint(1, 1 << 20), talks=True
                )

    def _size(self) -> int:
        return self._draw.choice((4096, 10000, 65536, 1 << 20, self._draw.randint(64, 1 << 21)))

    def _world_collective(self, alike: bool) -> None:
        """Where ranks have issued unlike numbers of streams, all ranks need a group, or the simulator hangs."""
        del alike
        group = "4" if not self._in_step and self._groups and self._draw.random() < 0.9 else None
        self._collective((range(self._world), group))

    def _group_collective(self, alike: bool) -> None:
        del alike
        if not self._groups:
            return
        halves = self._world % 2 == 0 and self._draw.random() < 0.6
        names = ["1", "2"] if halves else [self._draw.choice(list(self._groups))]
        self._in_step &= halves or len(self._groups[names[0]]) == self._world
        self._collective(*((self._groups[name], name) for name in names))

    def _collective(self, *calls: tuple[Any, str | None]) -> None:
        size, kind, label = self._size(), self._draw.choice(list(KINDS)), self._label + 1
        for ranks, group in calls:
            for rank in ranks:
                self._add(rank, coll, size=size, kind=kind, group=group, talks=True, at=label)

    def _send(self, alike: bool) -> None:
        del alike
        for _ in range(self._draw.choice((1, 1, 3))):
            a, b = self._draw.sample(range(self._world), 2)
            size, tag = self._size(), self._draw.randint(0, 3)
            self._add(a, send, peer=b, size=size, tag=tag, talks=True)
            self._add(b, recv, peer=a, size=size, tag=tag)

    def _custom(self, alike: bool) -> None:
        """A custom set on all ranks: messages between random pairs, some after others, with a delay here and there."""
        del alike
        draw, label = self._draw, self._label + 1
        name = f"custom{label}"
        nodes: list[list[Any]] = [[] for _ in range(self._world)]
        plain = draw.random() < 0.5
        for a in range(self._world if not plain else 0):
            nodes[a].append(node(1, COMP, micros=draw.choice((0, 1))))
        ring = [(a, (a + 1) % self._world) for a in range(self._world)] if plain else []
        pairs = ring + [tuple(draw.sample(range(self._world), 2)) for _ in range(draw.randint(1, 20))]
        for number, (a, b) in enumerate(pairs):
            size = draw.choice((1000, 4096, draw.randint(100, 1 << 20)))
            for rank, make, peer in ((a, send, b), (b, recv, a)):
                deps = [draw.randint(1, len(nodes[rank]))] if not plain and draw.random() < 0.4 else []
                nodes[rank].append(make(len(nodes[rank]) + 1, peer, deps, size=size, tag=number % 3 + label))
        self._made.custom[name] = nodes
        self._made.per_node[label] = name
        for rank in range(self._world):
            self._add(rank, None, kind=COLL, is_cpu_op=False, comm_type=6, comm_size=4096, talks=True, at=label)
