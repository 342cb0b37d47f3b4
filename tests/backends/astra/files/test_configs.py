"""What the simulator is told: units, one algorithm per dimension, and every trap of its configuration avoided."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from moec.backends.astra.files.configs import configs, decimal
from moec.backends.astra.files.settings import AstraSettings, Congestion, settings_of
from moec.dsl.schema import AstraOptions, Experiment, Fabric, FatTree, Mesh
from support.cases import GPU, NIC, experiment

RATE = 450 * 0.7
"""Bytes per nanosecond of GPU's link."""


def settings(
    e: Experiment, congestion: Congestion = "aware", world: int = 4, *, custom: bool = False, **options: object
) -> AstraSettings:
    return settings_of(e, AstraOptions(**options), congestion, world, custom=custom)[0]  # type: ignore[arg-type]


def codes(
    e: Experiment, congestion: Congestion = "aware", world: int = 4, *, custom: bool = False, **options: object
) -> set[str]:
    found = settings_of(e, AstraOptions(**options), congestion, world, custom=custom, group_sizes=[world])[1]  # type: ignore[arg-type]
    return {d.code for d in found}


def network(s: AstraSettings) -> dict[str, list[str]]:
    lines = [line for line in configs(s)["network.yml"].splitlines() if not line.startswith("#")]
    return {key: value.strip("[] ").split(", ") for key, value in (line.split(": ") for line in lines)}


def with_fabric(topology: str) -> Experiment:
    e = experiment(tp=4)
    node = replace(e.cluster.node, fabric=Fabric(topology=topology))  # type: ignore[arg-type]
    return replace(e, cluster=replace(e.cluster, node=node))


def test_bandwidths_are_in_gigabytes_of_two_to_the_thirty():
    told = network(settings(experiment(tp=4)))

    assert told["topology"] == ["Switch"] and told["npus_count"] == ["4"]
    assert float(told["bandwidth"][0]) * 2**30 / 1e9 == pytest.approx(RATE, rel=1e-15)


def test_a_step_through_a_switch_crosses_two_links():
    assert network(settings(experiment(tp=4)))["latency"] == ["400"]


def test_devices_wired_to_each_other_share_their_bandwidth_among_links():
    s = settings(with_fabric("fully_connected"), world=3)

    assert s.dimensions[0].wiring == "FullyConnected"
    assert s.dimensions[0].rate == pytest.approx(RATE / 3), "a node of four has three links per device, used or not"
    assert s.dimensions[0].latency_ns == 800


@pytest.mark.parametrize(("world", "wiring", "links"), [(4, "Ring", 2), (3, "Ring", 2), (2, "FullyConnected", 1)])
def test_a_ring_of_two_is_a_pair(world: int, wiring: str, links: int):
    s = settings(with_fabric("ring"), world=world)

    assert (s.dimensions[0].wiring, s.dimensions[0].rate) == (wiring, pytest.approx(RATE / links))


def test_unaware_has_a_dimension_for_the_node_and_one_for_the_network():
    told = network(settings(experiment(tp=4, dp=2), "unaware", 8))

    assert told["topology"] == ["Switch", "Switch"] and told["npus_count"] == ["4", "2"]
    assert told["latency"] == ["400", "1000"]
    assert float(told["bandwidth"][1]) * 2**30 / 1e9 == pytest.approx(NIC.bandwidth * NIC.efficiency / 1e9)


def test_aware_has_one_dimension_with_the_figures_asked_for():
    far, near = (settings(experiment(tp=4, dp=2), world=8, flat=flat).dimensions for flat in ("between", "inside"))

    assert [len(far), len(near)] == [1, 1]
    assert far[0].size == near[0].size == 8
    assert far[0].rate == pytest.approx(45) and near[0].rate == pytest.approx(RATE)


def test_ranks_that_fill_no_whole_nodes_have_one_dimension_in_both():
    e = experiment(tp=2, dp=3)

    assert len(settings(e, "unaware", 6).dimensions) == 1
    assert "M411" in codes(e, "unaware", 6)


def test_a_lone_rank_gets_an_idle_neighbour():
    s = settings(experiment(), world=1)

    assert s.ranks == 2
    assert network(s)["npus_count"] == ["2"]


@pytest.mark.parametrize("congestion", ["aware", "unaware"])
def test_every_collective_has_one_algorithm_per_dimension_and_all_to_all_is_direct(congestion: Congestion):
    s = settings(experiment(tp=4, dp=2), congestion, 8, all_reduce="halving_doubling", all_gather="direct")
    told = json.loads(configs(s)["system.json"])

    n = len(s.dimensions)
    assert told["all-reduce-implementation"] == ["halvingDoubling"] * n
    assert told["all-gather-implementation"] == ["direct"] * n
    assert told["reduce-scatter-implementation"] == ["ring"] * n
    assert told["all-to-all-implementation"] == ["direct"] * n


def test_a_ring_is_left_to_switches_unless_asked_for():
    """Where every pair has a link, a ring would use one of a rank's links."""
    mesh = with_fabric("fully_connected")

    assert settings(mesh).all_reduce == ("direct",)
    assert settings(mesh, all_reduce="ring").all_reduce == ("ring",)
    assert settings(replace(mesh, cluster=replace(mesh.cluster, nodes=2)), "unaware", 8).all_reduce == (
        "direct",
        "ring",
    )


def test_what_the_simulator_leaves_to_chance_is_always_said():
    told = json.loads(configs(settings(experiment(tp=4)))["system.json"])

    assert told["collective-optimization"] in ("baseline", "localBWAware")
    assert told["scheduling-policy"] in ("LIFO", "FIFO", "EXPLICIT")
    assert told["endpoint-delay"] >= 1
    assert told["roofline-enabled"] == 1
    assert "per-node-custom-implementation" not in told


def test_a_kernel_takes_as_many_nanoseconds_as_it_has_operations():
    """By the simulator's own arithmetic, in doubles, with the peak rate that it is told."""
    peak = json.loads(configs(settings(experiment(tp=4)))["system.json"])["peak-perf"] * 1e12
    rng = np.random.default_rng(7)
    times = np.concatenate([np.arange(1, 200_000), rng.integers(1, 9 * 10**12, 200_000)])

    assert (np.floor(times / peak * 1e9) == times).all()


def test_pieces_hide_the_store_and_forward_of_an_aware_switch():
    s = settings(experiment(tp=4))

    assert (s.splits, s.active) == (8, 8)
    assert (settings(with_fabric("fully_connected")).splits, settings(experiment(tp=4), "unaware").splits) == (1, 1)


def test_custom_sets_and_pieces_never_go_together():
    """The simulator then waits for as many streams as there are pieces, and starts one."""
    s = settings(experiment(dp=4), custom=True)

    assert (s.splits, s.active) == (1, 1)
    assert json.loads(configs(s)["system.json"])["per-node-custom-implementation"] == "custom.yml"
    assert "M422" in codes(experiment(dp=4), custom=True)
    assert "M421" in codes(experiment(dp=4), custom=True, splits=4)


def test_halving_doubling_needs_powers_of_two():
    assert "M424" in codes(experiment(tp=2, dp=3), "unaware", 6, all_reduce="halving_doubling")
    assert "M424" not in codes(experiment(tp=4), all_reduce="halving_doubling")


def test_errors_are_those_that_would_hang_and_warnings_the_rest():
    _, found = settings_of(
        experiment(dp=3),
        AstraOptions(splits=2, all_reduce="halving_doubling"),
        "aware",
        3,
        custom=True,
        group_sizes=[3, 1],
    )

    assert {d.code for d in found if d.severity == "error"} == {"M421", "M424"}


@pytest.mark.parametrize(
    ("congestion", "world", "expected"),
    [
        ("aware", 4, {"M412"}),
        ("unaware", 4, {"M412", "M413"}),
        ("aware", 8, {"M411", "M412"}),
        ("unaware", 8, {"M412", "M413", "M415"}),
    ],
)
def test_what_is_lost_is_told(congestion: Congestion, world: int, expected: set[str]):
    assert codes(experiment(tp=4, dp=2), congestion, world) == expected


def test_memory_moves_at_the_host_links_rate_in_whole_gigabytes():
    with_host = experiment(tp=4, device=replace(GPU, host=63.4e9))
    told = json.loads(configs(settings(with_host))["memory.json"])

    assert told["memory-type"] == "PER_NPU_MEMORY_EXPANSION" and told["remote-mem-bw"] == 63
    assert json.loads(configs(settings(experiment(tp=4)))["memory.json"]) == {"memory-type": "NO_MEMORY_EXPANSION"}


def test_decimals_read_back_as_the_same_number_and_have_no_exponent():
    rng = np.random.default_rng(5)
    for value in [0.0, 1.0, 1e-7, 3e22, *(10 ** rng.uniform(-12, 18, 200)).tolist()]:
        assert float(decimal(value)) == value
        assert "e" not in decimal(value)


def test_texts_are_the_same_every_time():
    assert configs(settings(experiment(tp=4))) == configs(settings(experiment(tp=4)))


def test_what_the_simulator_cannot_be_told_of_a_network_is_said():
    e = experiment(dp=8, per_node=4)
    network = e.cluster.network
    assert network is not None
    tree = replace(e, cluster=replace(e.cluster, network=replace(network, topology=FatTree(2.0, 1))))
    assert "M417" in codes(tree, world=8)
    assert "M417" not in codes(e, world=8)
    wafer = replace(e, cluster=replace(e.cluster, node=replace(e.cluster.node, fabric=Fabric(Mesh(2, 2)))))
    assert "M416" in codes(wafer, world=4)
    assert settings(wafer, world=4).dimensions[0].rate == pytest.approx(RATE), "a mesh's bandwidth is that of one link"
    plan = e.parallelism
    relayed = replace(
        e, parallelism=replace(plan, exchange=replace(plan.exchange, route="two_phase"), interference=0.2)
    )
    assert {"M418", "M419"} <= codes(relayed, world=8)
    assert not {"M418", "M419"} & codes(e, world=8)
