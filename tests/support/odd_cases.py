"""Hand-made trace sets with values that nobody should write: forms of attributes, peers, tags, groups, custom sets, options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.replay_cases import CUSTOM, EXCHANGE, MB, PER_NODE, Case, alike, own, plain, skewed, staggered
from support.traces import COMP, As, coll, comp, memory, node, recv, send

FIVE = {"topology": ["Switch"] * 5, "npus_count": [2] * 5, "bandwidth": [50.0] * 5, "latency": [5.0] * 5}
FIVE_NAMES = {"all-reduce-implementation": ["ring"] * 5}
PAIR = {"1": [0, 1]}


def talk(there: Any, here: Any) -> Case:
    """Rank 0 sends after a kernel, rank 1 receives."""
    return Case([[comp(1), there], [here], [comp(1)], [comp(1)]])


def in_pair(name: Any, groups: dict[str, Any] | None = None) -> Case:
    """Ranks 0 and 1 in a group that is called so."""
    return Case([[coll(1, size=MB, pg_name=name)]] * 2 + [[comp(1)]] * 2, groups=groups or PAIR)


def exchange(**more: Any) -> Case:
    """A plain custom set by its path, or as changed."""
    return staggered(own(2, [1]), system=CUSTOM, **{"custom": {"c": plain(*skewed())}, "per_node": {2: "c"}, **more})


ODD_CASES: dict[str, Callable[[], Case]] = {
    "flag-as-a-float": lambda: alike(comp(1), comp(2, [1], ns=4000, is_cpu_op=As("float_val", 0.0))),
    "flag-as-text-at-the-start": lambda: alike(comp(2, ns=4000, is_cpu_op=As("string_val", "0"))),
    "flag-as-an-integer": lambda: alike(comp(1), node(2, COMP, [1], micros=3, is_cpu_op=As("uint32_val", 1))),
    "priority-as-text": lambda: alike(comp(1), coll(2, [1], comm_priority=As("string_val", "1"))),
    "size-as-a-fixed-integer": lambda: alike(comp(1), coll(2, [1], size=As("sfixed32_val", 65536))),
    "size-as-a-float": lambda: alike(comp(1), coll(2, [1], size=As("double_val", 65536.0))),
    "sender-as-text": lambda: talk(send(2, 1, [1], comm_src=As("string_val", "0")), recv(1, 0)),
    "receiver-as-text": lambda: talk(send(2, 1, [1]), recv(1, 0, comm_dst=As("string_val", "1"))),
    "peer-around-the-corner": lambda: talk(send(2, 2**32 + 1, [1]), recv(1, 2**32)),
    "peer-below-zero": lambda: talk(send(2, 1, [1]), recv(1, -1)),
    "peer-beyond-the-world": lambda: talk(send(2, 1, [1]), recv(1, 7)),
    "group-by-its-first-digits": lambda: in_pair("1x"),
    "group-with-a-sign": lambda: in_pair(" +1"),
    "group-below-zero": lambda: in_pair("-1"),
    "group-beyond-32-bits": lambda: in_pair("99999999999"),
    "group-in-other-digits": lambda: in_pair("１"),
    "group-as-bytes": lambda: in_pair(As("bytes_val", b"1")),
    "group-of-nobody": lambda: in_pair("1", {"1": []}),
    "sizes-beyond-2-gib": lambda: alike(coll(1, size=2**40, kind=EXCHANGE)),
    "kernel-below-zero": lambda: alike(comp(1, ns=100), system={"peak-perf": -1}),
    "endpoint-below-zero-at-the-start": lambda: alike(coll(1, size=MB), system={"endpoint-delay": -5}),
    "endpoint-below-zero-later": lambda: alike(comp(1), coll(2, [1], size=MB), system={"endpoint-delay": -5}),
    "endpoint-far-below-zero": lambda: alike(comp(1), coll(2, [1], size=MB), system={"endpoint-delay": -5000}),
    "endpoint-below-zero-and-wrapped": lambda: alike(coll(1, size=MB), options={"injection_scale": 1e9}),
    "five-dimensions": lambda: alike(
        comp(1), coll(2, [1], size=MB), ranks=32, network=FIVE, congestion="unaware", system=FIVE_NAMES
    ),
    "five-dimensions-in-a-group": lambda: alike(
        coll(1, size=MB, group="1"),
        ranks=32,
        network=FIVE,
        congestion="unaware",
        system=FIVE_NAMES,
        groups={"1": list(range(32))},
    ),
    "no-queues": lambda: alike(comp(1), coll(2, [1], size=MB), options={"queues_per_dim": 0}),
    "custom-set-of-no-name": lambda: exchange(per_node={2: "''"}),
    "custom-set-by-a-wrapped-node": lambda: staggered(
        own(2**32 + 2, [1]), system=CUSTOM, custom={"c": plain(*skewed())}, per_node={2: "c"}
    ),
    "custom-set-in-another-folder": lambda: exchange(per_node={2: "./c"}),
    "custom-set-to-wrapped-members": lambda: exchange(
        custom={
            "c": [[send(1, 2**32 + (r + 1) % 4, size=MB), recv(2, 2**32 + (r - 1) % 4, size=MB)] for r in range(4)]
        }
    ),
    "custom-set-from-nobody": lambda: exchange(custom={"c": [[recv(1, 9, size=MB)]] * 4}),
    "custom-set-with-a-sender-as-text": lambda: exchange(
        custom={"c": [[send(1, (r + 1) % 4, size=9, comm_src="x"), recv(2, (r - 1) % 4, size=9)] for r in range(4)]}
    ),
    "custom-set-of-others": lambda: staggered(
        own(2, [1], group="1"), system=CUSTOM, groups=PAIR, custom={"c": plain((0, 1, MB), ranks=2)}, per_node={2: "c"}
    ),
    "memory-of-no-nodes": lambda: alike(memory(1), memory={**PER_NODE, "num-nodes": 0}),
    "memory-nodes-of-no-ranks": lambda: alike(memory(1), memory={**PER_NODE, "num-npus-per-node": 0}),
}  # fmt: skip
