"""Hand-made trace sets, one for every rule of ASTRA-sim's workload and system layers that decides a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.traces import COLL, COMP, MEM_LOAD, METADATA, As, coll, comp, encoded, memory, node, recv, send, write_set

MB = 1 << 20
POOL = {"memory-type": "MEMORY_POOL", "remote-mem-latency": 100, "remote-mem-bw": 50}
PER_NPU = {**POOL, "memory-type": "PER_NPU_MEMORY_EXPANSION"}
PER_NODE = {**POOL, "memory-type": "PER_NODE_MEMORY_EXPANSION", "num-nodes": 2, "num-npus-per-node": 2}
RING = {"topology": ["Ring"], "npus_count": [8], "bandwidth": [50.0], "latency": [500.0]}
TWO = {
    "topology": ["FullyConnected", "Switch"],
    "npus_count": [4, 2],
    "bandwidth": [400.0, 50.0],
    "latency": [500.0, 2000.0],
}
BROADCAST, GATHER, EXCHANGE, SCATTER = 5, 2, 6, 7
TWO_NAMES = {f"{kind}-implementation": ["ring", "ring"] for kind in ("all-reduce", "all-gather", "reduce-scatter")} | {
    "all-to-all-implementation": ["direct", "direct"]
}


@dataclass
class Case:
    """A set: nodes by rank (of one list all ranks have the same), changes to sound configurations, and custom sets."""

    ranks: list[list[Any]]
    congestion: str = "aware"
    system: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, list[int]] | None = None
    memory: dict[str, Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    custom: dict[str, list[list[Any]]] = field(default_factory=dict)
    per_node: dict[int, str] = field(default_factory=dict)

    def write(self, folder: Path) -> str:
        """All files; the prefix."""
        folder.mkdir(parents=True, exist_ok=True)
        system = dict(self.system)
        if self.per_node:
            system["per-node-custom-implementation"] = "custom.yml"
            (folder / "custom.yml").write_text("".join(f"{i}: {name}\n" for i, name in self.per_node.items()))
        for name, ranks in self.custom.items():
            for rank, nodes in enumerate(ranks):
                (folder / f"{name}.{rank}.et").write_bytes(encoded(nodes))
        return write_set(
            folder, self.ranks, system=system, network=self.network, groups=self.groups, memory=self.memory
        )


def alike(*nodes: Any, ranks: int = 4, **more: Any) -> Case:
    """The same nodes on all ranks."""
    return Case([list(nodes)] * ranks, **more)


def staggered(*nodes: Any, ranks: int = 4, step: int = 3000, **more: Any) -> Case:
    """The same nodes after a kernel that takes longer from rank to rank; node 1 is that kernel."""
    return Case([[comp(1, ns=100 + step * rank), *nodes] for rank in range(ranks)], **more)


def plain(*pairs: tuple[int, int, int], ranks: int = 4, tag: int = 1) -> list[list[Any]]:
    """A custom set of messages: source, target, bytes."""
    nodes: list[list[Any]] = [[] for _ in range(ranks)]
    for a, b, size in pairs:
        nodes[a].append(send(len(nodes[a]) + 1, b, size=size, tag=tag))
    for a, b, size in pairs:
        nodes[b].append(recv(len(nodes[b]) + 1, a, size=size, tag=tag))
    return [own or [node(1, COMP)] for own in nodes]


def skewed(ranks: int = 4, unit: int = 50_000) -> list[tuple[int, int, int]]:
    return [(a, b, unit * (1 + (3 * a + b) % 5)) for a in range(ranks) for b in range(ranks) if a != b]


def own(id: int, deps: Any = (), **more: Any) -> Any:
    """A collective that a custom set stands for."""
    return coll(id, deps, size=4096, kind=EXCHANGE, **more)


CUSTOM = {"preferred-dataset-splits": 1}
LATER = [
    [
        send(1, 1, size=100_000),
        recv(2, 3, size=70_000),
        node(3, COMP, [2], micros=2),
        send(4, 2, [3], size=50_000, tag=2),
    ],
    [recv(1, 0, size=100_000), send(2, 2, [1], size=80_000)],
    [recv(1, 1, size=80_000), recv(2, 0, [1], size=50_000, tag=2), send(3, 3, size=60_000), node(4, COMP, [3])],
    [recv(1, 2, size=60_000), send(2, 0, [1], size=70_000)],
]

CASES: dict[str, Callable[[], Case]] = {
    # slots and the order of issue
    "kernels-one-at-a-time": lambda: alike(comp(1, ns=300), comp(2, ns=50), comp(3, [1], ns=7)),
    "cpu-beside-gpu": lambda: alike(
        node(1, COMP, micros=3, is_cpu_op=True), comp(2, ns=500), node(3, COMP, [2], micros=1, is_cpu_op=True)
    ),
    "lowest-id-first": lambda: alike(comp(5, ns=100), comp(9, ns=10), comp(7, [5], ns=1000), comp(8, [9], ns=5)),
    "kernel-beside-collective": lambda: alike(comp(1, ns=40000), coll(2, size=MB), comp(3, [1, 2], ns=5)),
    "collectives-one-at-a-time": lambda: alike(coll(1, size=MB), coll(2, size=MB, kind=GATHER)),
    "collective-waits-for-send": lambda: Case(
        [[send(1, 1, size=MB), coll(2, size=MB)], [recv(1, 0, size=MB), coll(2, size=MB)]] + [[coll(2, size=MB)]] * 2
    ),
    "receives-take-no-slot": lambda: Case(
        [[recv(i, i, size=1000 * i) for i in (1, 2, 3)] + [coll(4, size=MB)]]
        + [[send(1, 0, size=1000 * rank), coll(4, size=MB)] for rank in (1, 2, 3)]
    ),
    "control-dependencies-count": lambda: alike(
        comp(1, ns=10), coll(2, size=MB, ctrl=[1]), comp(3, [1], ctrl=[2], ns=9)
    ),
    "staggered-start": lambda: staggered(coll(2, [1], size=MB), comp(3, [2], ns=11), coll(4, [3], size=MB)),
    "early-birds": lambda: staggered(
        coll(2, [1], size=MB, kind=EXCHANGE), coll(3, [2], size=MB, kind=EXCHANGE), step=900
    ),
    # kernels
    "replayed-microseconds": lambda: alike(
        node(1, COMP, micros=7, is_cpu_op=False), node(2, COMP, [1], is_cpu_op=False), system={"roofline-enabled": 0}
    ),
    "roofline-by-memory": lambda: alike(
        comp(1, ns=10**9, tensor_size=10**8), system={"peak-perf": 2.5, "local-mem-bw": 50}
    ),
    "roofline-by-peak": lambda: alike(
        comp(1, ns=10**9, tensor_size=100), system={"peak-perf": 2.5, "local-mem-bw": 50}
    ),
    "roofline-rounds-down": lambda: alike(comp(1, ns=15), comp(2, [1], ns=30)),
    "cpu-under-roofline-is-replayed": lambda: alike(
        node(1, COMP, micros=4, is_cpu_op=True, num_ops=10**6, tensor_size=1), comp(2, [1], ns=100)
    ),
    "skipped-kernel-with-later-event": lambda: alike(
        comp(1, ns=100), comp(2, ns=5, tensor_size=0), comp(3, [2], ns=20), comp(4, [1], ns=30)
    ),
    "skipped-kernel-stalls": lambda: alike(comp(1, ns=100), comp(2, [1], ns=5, tensor_size=0), comp(3, [2], ns=20)),
    "replay-only": lambda: alike(
        comp(1, ns=100), node(2, COLL, [1], micros=5), node(3, COMP, micros=3), system={"replay-only": 1}
    ),
    "broadcast-is-replayed": lambda: alike(coll(1, kind=BROADCAST, micros=9), coll(2, [1], kind=BROADCAST)),
    # pieces, queues, algorithms
    "one-piece": lambda: alike(coll(1, size=MB), system={"preferred-dataset-splits": 1}),
    "pieces-with-a-rest": lambda: alike(coll(1, size=MB + 1)),
    "raised-pieces": lambda: alike(coll(1, size=3), coll(2, [1], size=2, kind=SCATTER)),
    "two-active": lambda: alike(coll(1, size=MB), system={"active-chunks-per-dimension": 2}),
    "two-active-unaware": lambda: alike(
        coll(1, size=MB), congestion="unaware", system={"active-chunks-per-dimension": 2}
    ),
    "two-queues": lambda: alike(
        coll(1, size=MB, kind=GATHER), coll(2, [1], size=MB, kind=SCATTER), options={"queues_per_dim": 2}
    ),
    "three-queues-on-a-ring": lambda: alike(
        coll(1, size=MB),
        coll(2, [1], size=MB),
        ranks=8,
        network=RING,
        options={"queues_per_dim": 3},
        system={"active-chunks-per-dimension": 3},
    ),
    "direct": lambda: staggered(coll(2, [1], size=MB), system={"all-reduce-implementation": ["direct"]}),
    "window-of-two": lambda: staggered(
        coll(2, [1], size=MB, kind=EXCHANGE), system={"all-to-all-implementation": ["direct2"]}
    ),
    "halving-doubling": lambda: staggered(
        coll(2, [1], size=MB), system={"all-reduce-implementation": ["halvingDoubling"]}
    ),
    "two-trees-by-turns": lambda: alike(
        coll(1, size=MB),
        coll(2, [1], size=MB),
        coll(3, [2], size=MB),
        system={"all-reduce-implementation": ["doubleBinaryTree"], "preferred-dataset-splits": 1},
    ),
    "slow-local-memory": lambda: alike(coll(1, size=MB), system={"local-mem-bw": 20}),
    "scheduling-fifo": lambda: alike(coll(1, size=MB), coll(2, size=MB), system={"scheduling-policy": "FIFO"}),
    "scheduling-explicit": lambda: alike(
        coll(1, size=MB, comm_priority=1), coll(2, size=MB, comm_priority=9), system={"scheduling-policy": "EXPLICIT"}
    ),
    "scaled-injection": lambda: alike(coll(1, size=MB), options={"injection_scale": 3.7}),
    "rendezvous": lambda: Case(
        [[comp(1, ns=900), send(2, 1, [1], size=MB)], [recv(1, 0, size=MB)], [coll(3, size=MB)], [coll(3, size=MB)]],
        groups={"1": [2, 3]},
        options={"rendezvous": True},
        congestion="unaware",
    ),
    "rendezvous-collective": lambda: staggered(coll(2, [1], size=MB), options={"rendezvous": True}),
    # several dimensions
    "two-dimensions-localbw": lambda: alike(
        coll(1, size=MB), ranks=8, network=TWO, congestion="unaware", system=TWO_NAMES
    ),
    "two-dimensions-baseline": lambda: alike(
        coll(1, size=MB),
        ranks=8,
        network=TWO,
        congestion="unaware",
        system={**TWO_NAMES, "collective-optimization": "baseline"},
    ),
    "gather-begins-outside": lambda: alike(
        coll(1, size=MB, kind=GATHER), ranks=8, network=TWO, congestion="unaware", system=TWO_NAMES
    ),
    "involved-dimension": lambda: alike(
        coll(1, size=MB, involved_dim=As("bool_list", [False, True])),
        ranks=8,
        network=TWO,
        congestion="unaware",
        system=TWO_NAMES,
    ),
    "one-ring-over-both": lambda: alike(
        coll(1, size=MB),
        ranks=8,
        network=TWO,
        congestion="unaware",
        system={**TWO_NAMES, "all-reduce-implementation": ["oneRing"]},
    ),
    "fewer-algorithms": lambda: alike(
        coll(1, size=MB),
        ranks=8,
        network=TWO,
        congestion="unaware",
        system={**TWO_NAMES, "all-reduce-implementation": ["ring"]},
    ),
    "message-across-both-dimensions": lambda: Case(
        [
            [send(1, 5, size=MB)],
            [comp(1)],
            [comp(1)],
            [comp(1)],
            [send(1, 0, size=MB)],
            [recv(1, 0, size=MB)],
            [comp(1)],
            [comp(1)],
        ],
        network=TWO,
        congestion="unaware",
        system=TWO_NAMES,
    ),
    # groups
    "group-endpoints-of-ten": lambda: Case(
        [[coll(1, size=MB, group="1")]] * 4 + [[coll(1, size=MB, group="2")]] * 4,
        network={"npus_count": [8]},
        groups={"1": [0, 1, 2, 3], "2": [4, 5, 6, 7]},
        system={"endpoint-delay": 37},
    ),
    "group-forced-to-ring": lambda: Case(
        [[coll(1, size=MB, kind=EXCHANGE, group="1")]] * 4 + [[comp(1)]] * 4,
        network=TWO,
        congestion="unaware",
        system=TWO_NAMES,
        groups={"1": [0, 1, 2, 3]},
    ),
    "group-of-all": lambda: alike(
        coll(1, size=MB, group="7"),
        ranks=8,
        network=TWO,
        congestion="unaware",
        system=TWO_NAMES,
        groups={"7": list(range(8))},
    ),
    "groups-that-overlap": lambda: Case(
        [
            [coll(1, size=MB, group="1")],
            [coll(1, size=MB, group="1"), coll(2, [1], size=MB, group="2")],
            [coll(2, size=MB, group="2"), coll(3, [2], size=MB, group="3")],
            [coll(3, size=MB, group="3")],
        ],
        groups={"1": [0, 1], "2": [1, 2], "3": [2, 3]},
    ),
    "groups-contend-on-a-ring": lambda: Case(
        [[coll(1, size=MB, group="1")]] * 4 + [[coll(1, size=MB, group="2")]] * 4,
        network=RING,
        groups={"1": [0, 1, 2, 3], "2": [4, 5, 6, 7]},
    ),
    "groups-strided-on-a-ring": lambda: Case(
        [[coll(1, size=MB, group=str(1 + rank % 2))] for rank in range(8)],
        network=RING,
        groups={"1": [0, 2, 4, 6], "2": [1, 3, 5, 7]},
    ),
    "group-out-of-order": lambda: alike(
        coll(1, size=MB, group="1"), ranks=8, network=RING, groups={"1": [3, 0, 7, 1, 2, 6, 5, 4]}
    ),
    "world-out-of-step": lambda: Case(
        [[coll(1, size=MB, group="1"), coll(2, [1], size=MB)]] * 2 + [[coll(2, size=MB)]] * 2, groups={"1": [0, 1]}
    ),
    "group-of-one": lambda: Case([[coll(1, size=MB, group="1")]] + [[comp(1)]] * 3, groups={"1": [0]}),
    "sizes-that-differ": lambda: Case(
        [[coll(1, size=MB)], [coll(1, size=MB)], [coll(1, size=MB)], [coll(1, size=2 * MB)]]
    ),
    "unknown-group": lambda: alike(coll(1, size=MB, group="9"), groups={"1": [0, 1]}),
    "not-a-member": lambda: alike(comp(1), coll(2, [1], size=MB, group="1"), groups={"1": [0, 1]}),
    # messages
    "sends-one-at-a-time": lambda: Case(
        [[send(1, 1, size=MB), send(2, 2, size=MB)], [recv(1, 0, size=MB)], [recv(1, 0, size=MB)], [comp(1)]]
    ),
    "receive-after-arrival": lambda: Case(
        [
            [send(1, 1, size=1000)],
            [comp(1, ns=50000), recv(2, 0, [1], size=1000), comp(3, [2], ns=5)],
            [comp(1)],
            [comp(1)],
        ]
    ),
    "first-come-among-equals": lambda: Case(
        [
            [send(1, 1, size=1000), comp(2, [1], ns=7000), send(3, 1, [2], size=1000)],
            [recv(1, 0, size=1000), recv(2, 0, size=1000), comp(3, [2], ns=3), comp(4, [1], ns=900)],
            [comp(1)],
            [comp(1)],
        ]
    ),
    "receive-matched-by-size": lambda: Case([[send(1, 1, size=1000)], [recv(1, 0, size=1001)], [comp(1)], [comp(1)]]),
    "incast-at-a-switch": lambda: Case(
        [[recv(i, i, size=MB) for i in (1, 2, 3)]]
        + [[comp(1, ns=rank), send(2, 0, [1], size=MB)] for rank in (1, 2, 3)]
    ),
    "incast-unaware": lambda: Case(
        [[recv(i, i, size=MB) for i in (1, 2, 3)]]
        + [[comp(1, ns=rank), send(2, 0, [1], size=MB)] for rank in (1, 2, 3)],
        congestion="unaware",
    ),
    "messages-round-a-ring": lambda: Case(
        [[send(1, (rank + 3) % 8, size=MB), recv(2, (rank - 3) % 8, size=MB)] for rank in range(8)], network=RING
    ),
    "send-of-nothing": lambda: Case([[comp(1), send(2, 1, [1], size=0)], [comp(1)], [comp(1)], [comp(1)]]),
    "nobody-sends": lambda: Case([[recv(1, 1)], [comp(1)], [comp(1)], [comp(1)]]),
    # custom sets
    "custom-set": lambda: staggered(
        own(2, [1]), comp(3, [2], ns=9), system=CUSTOM, custom={"c": plain(*skewed())}, per_node={2: "c"}, step=7000
    ),
    "custom-set-unaware": lambda: staggered(
        own(2, [1]),
        comp(3, [2], ns=9),
        system=CUSTOM,
        custom={"c": plain(*skewed())},
        per_node={2: "c"},
        congestion="unaware",
    ),
    "custom-sets-in-a-row": lambda: staggered(
        own(2, [1]),
        own(3, [2]),
        system=CUSTOM,
        step=100,
        custom={"c": plain(*skewed()), "d": plain(*skewed(unit=30_000), tag=2)},
        per_node={2: "c", 3: "d"},
    ),
    "custom-set-with-order": lambda: staggered(own(2, [1]), system=CUSTOM, custom={"c": LATER}, per_node={2: "c"}),
    "custom-set-on-a-ring": lambda: staggered(
        own(2, [1]), ranks=8, network=RING, system=CUSTOM, custom={"c": plain(*skewed(8), ranks=8)}, per_node={2: "c"}
    ),
    "custom-kind": lambda: alike(
        coll(1, size=MB),
        own(2, [1]),
        custom={"c": plain(*skewed())},
        system={**CUSTOM, "all-to-all-implementation-custom": ["c"]},
    ),
    "custom-set-in-a-group": lambda: Case(
        [[comp(1)], [own(2, group="1")], [comp(1)], [own(2, group="1")]],
        system=CUSTOM,
        groups={"1": [1, 3]},
        custom={"c": plain((0, 1, MB), (1, 0, 2 * MB), ranks=2)},
        per_node={2: "c"},
    ),
    "group-keeps-its-first-plan": lambda: alike(
        own(1, group="1"),
        own(2, [1], group="1"),
        system=CUSTOM,
        groups={"1": [0, 1, 2, 3]},
        custom={"c": plain(*skewed())},
        per_node={1: "c"},
    ),
    "group-keeps-its-native-plan": lambda: alike(
        own(1, group="1"),
        own(2, [1], group="1"),
        system=CUSTOM,
        groups={"1": [0, 1, 2, 3]},
        custom={"c": plain(*skewed())},
        per_node={2: "c"},
    ),
    "custom-set-in-pieces": lambda: alike(own(1), custom={"c": plain(*skewed())}, per_node={1: "c"}),
    "custom-set-missing": lambda: alike(comp(1), own(2, [1]), system=CUSTOM, per_node={2: "nowhere"}),
    # remote memory
    "own-memory": lambda: alike(memory(1, size=MB), comp(2, [1]), memory=PER_NPU),
    "memory-takes-the-slot": lambda: alike(memory(1, size=MB), coll(2, size=MB), memory=PER_NPU),
    "memory-pool": lambda: alike(memory(1, size=MB), memory(2, size=1000), memory=POOL),
    "memory-per-node": lambda: alike(memory(1, size=MB), memory(2, size=1000), memory=PER_NODE),
    "no-memory": lambda: alike(comp(1), memory(2, [1])),
    # what ends otherwise
    "statistics-lost": lambda: alike(node(1, COMP, micros=1, is_cpu_op=True), comp(2, [1])),
    "statistics-abort": lambda: Case(
        [[node(1, COMP, micros=1, is_cpu_op=True), send(2, 1, [1])], [recv(1, 0)], [comp(1)], [comp(1)]]
    ),
    "unsupported-collective": lambda: alike(comp(1), coll(2, [1], kind=9)),
    "unsupported-at-the-start": lambda: alike(coll(1, kind=9)),
    "metadata-node": lambda: alike(comp(1), node(2, METADATA, [1])),
    "dangling-dependency": lambda: alike(comp(1), comp(2, [77])),
    "partial-cycle": lambda: alike(comp(1, ns=50), comp(2, [3]), comp(3, [2])),
    "delay-of-nothing-at-the-start": lambda: alike(coll(1, size=MB), system={"endpoint-delay": 0}),
    "delay-of-nothing-later": lambda: alike(comp(1), coll(2, [1], size=MB), system={"endpoint-delay": 0}),
    "no-algorithm": lambda: alike(comp(1), coll(2, [1], size=MB), system={"all-reduce-implementation": None}),
    "too-many-algorithms": lambda: alike(comp(1), system={"all-reduce-implementation": ["ring", "ring"]}),
    "no-pieces": lambda: alike(comp(1), coll(2, [1], size=MB), system={"preferred-dataset-splits": None}),
    "no-active-pieces": lambda: alike(comp(1), coll(2, [1], size=MB), system={"active-chunks-per-dimension": 0}),
    "rank-without-file": lambda: Case([[comp(1)]] * 3),
    "memory-node-without-size": lambda: alike(comp(1), node(2, MEM_LOAD, [1], is_cpu_op=False), memory=PER_NPU),
    # odd values
    "kernel-of-no-operations": lambda: alike(comp(1, ns=5), comp(2, [1], ns=0), comp(3, [2], ns=7)),
    "no-peak-at-the-start": lambda: alike(comp(1, ns=50), system={"peak-perf": None}),
    "no-peak-later": lambda: alike(
        node(1, COMP, micros=1, is_cpu_op=True, num_ops=1, tensor_size=1),
        comp(2, [1], ns=50),
        system={"peak-perf": None},
    ),
    "no-local-rate-later": lambda: alike(
        node(1, COMP, micros=1, is_cpu_op=True, num_ops=1, tensor_size=1),
        comp(2, [1], ns=50),
        system={"local-mem-bw": None},
    ),
    "kernel-of-less-than-a-nanosecond": lambda: alike(
        comp(1, ns=10**9), comp(2, [1], ns=1), comp(3, [2], ns=10**8), system={"peak-perf": 900}
    ),
    "message-to-itself-over-a-switch": lambda: Case(
        [[comp(1), send(2, 0, [1], size=MB), recv(3, 0, size=MB)]] + [[comp(1)]] * 3
    ),
    "message-to-itself-unaware": lambda: Case(
        [[comp(1), send(2, 0, [1], size=MB), recv(3, 0, size=MB)]] + [[comp(1)]] * 3, congestion="unaware"
    ),
    "message-to-itself-on-a-ring": lambda: Case(
        [[comp(1), send(2, 0, [1], size=MB), recv(3, 0, size=MB)]] + [[comp(1)]] * 7, network=RING
    ),
    "memory-of-no-rate": lambda: alike(comp(1), memory(2, [1]), memory={**PER_NPU, "remote-mem-bw": 0}),
    "no-scheduling-policy": lambda: alike(coll(1, size=MB), system={"scheduling-policy": None}),
    "message-of-a-byte-at-the-start": lambda: Case([[send(1, 1, size=1)], [recv(1, 0, size=1)], [comp(1)], [comp(1)]]),
    "messages-without-latency": lambda: Case(
        [
            [comp(1), send(2, 1, [1], size=1), send(3, 1, [2], size=1)],
            [recv(1, 0, size=1), recv(2, 0, [1], size=1), comp(3, [2], ns=4)],
            [comp(1)],
            [comp(1)],
        ],
        network={"latency": [0.0]},
    ),
    "group-of-two-zeros": lambda: alike(comp(1), coll(2, [1], size=MB, group="00"), groups={"1": [0, 1]}),
    "group-zero-in-the-file": lambda: alike(comp(1), groups={"0": [0, 1]}),
    "involved-dimension-empty": lambda: alike(comp(1), coll(2, [1], size=MB, involved_dim=As("bool_list", []))),
    "involved-dimension-none": lambda: alike(comp(1), coll(2, [1], size=MB, involved_dim=As("bool_list", [False]))),
    "group-as-a-number": lambda: alike(
        comp(1), coll(2, [1], size=MB, pg_name=As("int64_val", 1)), groups={"1": [0, 1, 2, 3]}
    ),
    "tag-below-zero": lambda: Case([[comp(1), send(2, 1, [1], tag=-5)], [recv(1, 0, tag=-5)], [comp(1)], [comp(1)]]),
    "tag-around-the-corner": lambda: Case(
        [[comp(1), send(2, 1, [1], tag=500_000_007)], [recv(1, 0, tag=7)], [comp(1)], [comp(1)]]
    ),
    "invalid-node-in-a-chain": lambda: alike(comp(1), node(2, 0, [1], is_cpu_op=False), comp(3, [2])),
    "memory-that-is-tracked": lambda: alike(comp(1), coll(2, [1], size=MB), system={"track-local-mem": 1}),
}
