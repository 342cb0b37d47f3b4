"""Random trace sets against the real simulator: every rank's finish and exposed time, or the same end.

25 draws by default; MOEC_RANDOM_SETS sets another number. Without the simulator the quick replay is held against the one
that follows every message.
"""

import os
from functools import partial

import pytest

from moec.backends.astra.files.system import KINDS
from moec.backends.astra.network.refusal import Stopped
from moec.backends.astra.replay.coarse import CoarseMachine
from moec.backends.astra.replay.machine import EventMachine
from moec.backends.astra.replay.occupancy import Unsure
from moec.backends.astra.replay.run import WHOLE_NS, suits
from moec.backends.astra.replay.setup import Files, Options, setup_of
from support.bus_cases import bus_set
from support.odd_sets import odd_set
from support.random_sets import random_set
from support.real_runs import run_ours, run_real

pytestmark = pytest.mark.slow  # random trace sets

DRAWS = int(os.environ.get("MOEC_RANDOM_SETS", "25"))


@pytest.mark.parametrize("seed", range(DRAWS))
def test_a_random_set_ends_as_on_the_real_simulator(seed, tmp_path):
    ends_alike(random_set(seed), tmp_path)


@pytest.mark.parametrize("seed", range(20_000, 20_000 + DRAWS))
def test_a_random_set_with_a_shared_bus_ends_as_on_the_real_simulator(seed, tmp_path):
    ends_alike(bus_set(seed), tmp_path)


@pytest.mark.parametrize("seed", range(30_000, 30_000 + DRAWS))
def test_a_random_set_with_slips_in_it_ends_as_on_the_real_simulator(seed, tmp_path):
    ends_alike(odd_set(seed), tmp_path)


def ends_alike(drawn, tmp_path):
    prefix = drawn.write(tmp_path / "set")

    theirs = run_real(prefix, drawn.congestion, drawn.options, drawn.world, timeout=120)

    ours = run_ours(prefix, drawn.congestion, drawn.options)
    if theirs.spoilt and ours.how == "finishes":
        pytest.skip("the simulator wrote to memory that it had given back")
    if any(finish > WHOLE_NS for finish, _ in (*theirs.times, *ours.times)):
        pytest.skip("time beyond what the simulator's clock can tell apart")
    assert [(finish, exposed % 2**64) for finish, exposed in ours.times] == list(theirs.times)
    assert (ours.how == "finishes") == (theirs.how == "finishes")


@pytest.mark.parametrize("seed", range(10_000, 10_000 + 8 * DRAWS))
def test_the_quick_replay_of_a_random_set_is_the_exact_one(seed, tmp_path):
    sure = ((played(CoarseMachine, setup), setup) for setup in setups(seed, tmp_path) if suits(setup))

    quick, setup = next(pair for pair in sure if pair[0] != "unsure")

    assert quick == played(EventMachine, setup)


@pytest.mark.parametrize("seed", range(30_000, 30_000 + 4 * DRAWS))
def test_counted_messages_are_messages_told_apart(seed, tmp_path):
    setup = next(setup for setup in setups(seed, tmp_path) if exchanges_all_with_all(setup))

    counted = played(partial(EventMachine, counted=True), setup)

    assert counted == played(partial(EventMachine, counted=False), setup)


def setups(seed, folder):
    """Random sets of the seed that a replay can run, one after the other: a few of them suit any test of this file."""
    for number in range(50):
        place = folder / f"set{number}"
        drawn = random_set(seed + 100_000 * number, quick=True)
        setup = setup_for(drawn.write(place), place, drawn)
        if setup is not None:
            yield setup


def exchanges_all_with_all(setup):
    return "direct" in "".join(name for kind in KINDS for name in setup.network.algorithms(kind))


def setup_for(prefix, folder, drawn):
    groups = folder / "comm_groups.json"
    files = Files(
        prefix,
        folder / "system.json",
        folder / "network.yml",
        folder / "memory.json",
        groups if groups.exists() else None,
    )
    try:
        return setup_of(files, Options(drawn.congestion))
    except Stopped:
        return None


def played(kind, setup):
    """Times of every node of every rank, or how it ended."""
    machine = kind(setup, detail=True)
    try:
        machine.run()
    except Unsure:
        return "unsure"
    except Stopped as stopped:
        return stopped.refusal.outcome
    if any(npu.finish_ns < 0 for npu in machine.npus):
        return "hangs"
    return [(npu.finish_ns, npu.kernels_ns, npu.start, npu.end) for npu in machine.npus]
