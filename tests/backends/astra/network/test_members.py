"""Members of a collective that are ready at different times, against the simulation of every message."""

import random

import numpy as np
import pytest

from moec.backends.astra.network.members import collective_ends
from moec.backends.astra.network.plan import plan_of
from moec.backends.astra.network.staggered import apart_ns
from support.astra_runs import KINDS, network


@pytest.mark.parametrize("seed", range(40))
def test_members_that_are_ready_apart_are_done_as_simulated(seed):
    draw = random.Random(seed)
    npus = draw.choice((3, 4, 8))
    algorithm = draw.choice(("ring", "direct"))
    net = network(
        draw.choice(("aware", "unaware")), draw.choice(("Switch", "FullyConnected", "Ring")), npus, algorithm,
        latency=draw.choice((0.5, 500.0)), splits=draw.choice((1, 3)), local_mem_bw=draw.choice((20.0, 1600.0)),
    )  # fmt: skip
    kind, size = draw.choice(KINDS), draw.choice((4096, 100_000))
    starts = [draw.randint(1, 3000) for _ in range(npus)]

    found = collective_ends(kind, size, net, tuple(range(npus)), np.array(starts))

    order = sorted(range(npus), key=lambda member: (starts[member], member))
    simulated = apart_ns(plan_of(kind, size, net, None), net, tuple(order), tuple(starts[m] for m in order))
    assert [found[m] for m in order] == list(simulated)
