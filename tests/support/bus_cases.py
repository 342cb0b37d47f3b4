"""Hand-made trace sets for the shared bus between network and memory (`model-shared-bus`)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from support.random_sets import RandomSet, random_set
from support.replay_cases import EXCHANGE, GATHER, MB, SCATTER, TWO, TWO_NAMES, Case, alike, staggered
from support.traces import coll, comp

BUS = {"model-shared-bus": 1, "L": 7, "o": 3, "g": 500, "G": 0.01, "preferred-dataset-splits": 2}


def on(**keys: Any) -> dict[str, Any]:
    """A system file with the bus, changed so."""
    return {**BUS, **{name.replace("_", "-"): value for name, value in keys.items()}}


BUS_CASES: dict[str, Callable[[], Case]] = {
    "bus-ring": lambda: alike(coll(1, size=MB), system=on()),
    "bus-gather": lambda: alike(coll(1, size=MB, kind=GATHER), system=on()),
    "bus-scatter-staggered": lambda: staggered(coll(2, [1], size=MB, kind=SCATTER), system=on()),
    "bus-direct-takes-turns": lambda: alike(
        coll(1, size=16 * MB), system=on(all_reduce_implementation=["direct"], local_reduction_delay=3)
    ),
    "bus-window-of-two": lambda: staggered(
        coll(2, [1], size=MB, kind=EXCHANGE), system=on(all_to_all_implementation=["direct2"])
    ),
    "bus-halving-doubling": lambda: staggered(
        coll(2, [1], size=MB), system=on(all_reduce_implementation=["halvingDoubling"])
    ),
    "bus-two-trees": lambda: alike(
        coll(1, size=MB), coll(2, [1], size=MB), system=on(all_reduce_implementation=["doubleBinaryTree"])
    ),
    "bus-shared-by-pieces": lambda: alike(
        coll(1, size=MB),
        system=on(preferred_dataset_splits=8, active_chunks_per_dimension=8, all_reduce_implementation=["direct"]),
    ),
    "bus-over-two-dimensions": lambda: alike(
        coll(1, size=MB), ranks=8, network=TWO, congestion="unaware", system={**on(), **TWO_NAMES}
    ),
    "bus-not-in-groups": lambda: Case([[coll(1, size=MB, group="1")]] * 2 + [[comp(1)]] * 2, groups={"1": [0, 1]}, system=on()),
    "bus-in-a-group-of-all": lambda: alike(coll(1, size=MB, group="1"), groups={"1": [0, 1, 2, 3]}, system=on()),
    "bus-of-no-cost-at-the-start": lambda: alike(coll(1, size=4), system=on(L=0, o=0, g=0, G=0)),
    "bus-of-no-cost-later": lambda: alike(comp(1), coll(2, [1], size=4), system=on(L=0, o=0, g=0, G=0)),
    "bus-single-precision": lambda: alike(coll(1, size=64 * MB), system=on(L=16777217, G=0.1)),
    "bus-cuts-fractions": lambda: alike(coll(1, size=MB), system=on(L=7.9, o=3.9, g=12.9)),
    "bus-of-32-bits": lambda: alike(coll(1, size=2**34, kind=EXCHANGE), system=on(preferred_dataset_splits=1)),
    "bus-before-it-began": lambda: alike(coll(1, size=3 * 2**33), system=on(preferred_dataset_splits=1)),
    "bus-below-nothing": lambda: alike(coll(1, size=MB), system=on(G=-1)),
    "bus-by-true": lambda: alike(coll(1, size=MB), system=on(model_shared_bus=True)),
    "bus-by-two": lambda: alike(coll(1, size=MB), system=on(model_shared_bus=2)),
}  # fmt: skip


def bus_set(seed: int) -> RandomSet:
    """The random set of a seed, with a bus of random costs."""
    made, draw = random_set(seed), random.Random(seed)
    made.system["model-shared-bus"] = 1
    for key, choices in {
        "L": (0, 1, 7, 300.7),
        "o": (0, 1, 2.9, 30),
        "g": (0, 1, 12, 500),
        "G": (0, 0.0038, 0.01, 0.3),
        "local-reduction-delay": (0, 1, 3, 20),
    }.items():
        if draw.random() < 0.9:
            made.system[key] = draw.choice(choices)
    return made
