"""Topologies in the language: variants, meshes by two numbers, tiers, and what contradicts itself."""

from __future__ import annotations

import json

import pytest

from moec.diagnostics.render import render
from moec.dsl.export import to_json
from moec.dsl.load import load_text
from moec.dsl.schema import FatTree, Mesh, Network, RailOptimized

TEXT = """moe 1
use "std/models"
use "std/hardware" as hw
node wafer {{ device = hw.h100, devices = {devices}, fabric {{ {fabric} }} }}
cluster c {{ nodes = {nodes}, node = wafer, network {{ link = hw.ndr400{network} }} }}
parallelism p {{ attention {{ dp = 8 }} }}
experiment e {{ model = models.olmoe_1b_7b, cluster = c, parallelism = p }}
"""


def read(*, devices: int = 8, nodes: int = 4, fabric: str = "", network: str = ""):
    text = TEXT.format(devices=devices, nodes=nodes, fabric=fabric, network=f", {network}" if network else "")
    return load_text(text, "t.moe")


@pytest.mark.parametrize(
    ("network", "topology"),
    [
        ("", "switch"),
        ("topology = ring", "ring"),
        ("topology = rail_optimized", RailOptimized()),
        ("topology = rail_optimized(cross_rail: fabric, leaf: 2)", RailOptimized("fabric", 1.0, 2)),
        ("topology = fat_tree(oversubscription: 3)", FatTree(3.0)),
        ("topology = fat_tree(3)", FatTree(3.0)),
        ("topology = mesh(2, 2)", Mesh(2, 2)),
        ("topology = mesh(y: 1, x: 4)", Mesh(4, 1)),
    ],
)
def test_networks_have_the_topologies_of_the_language(network, topology):
    experiment, report = read(network=network)
    assert experiment is not None, render(report)
    assert experiment.cluster.network.topology == topology


def test_a_wafer_is_a_mesh_with_hops_and_a_route():
    experiment, report = read(
        devices=25, fabric="topology = mesh(5, 5), bandwidth = 1.7 TB/s, hop = 200 ns, routing = xy"
    )
    assert experiment is not None, render(report)
    fabric = experiment.cluster.node.fabric
    assert (fabric.topology, fabric.hop, fabric.routing) == (Mesh(5, 5), 2e-7, "xy")


def test_tiers_nest():
    experiment, report = read(network="nodes = 2, beyond { link = hw.ib_100, latency = 9 us }")
    assert experiment is not None, render(report)
    network = experiment.cluster.network
    assert network.nodes == 2
    assert isinstance(network.beyond, Network)
    assert network.beyond.latency == pytest.approx(9e-6)


@pytest.mark.parametrize(
    "network", ["topology = mesh(2, 2)", "topology = fat_tree(2)", "nodes = 2, beyond { link = hw.ib_100 }"]
)
def test_an_experiment_written_as_json_reads_back(network):
    experiment, _ = read(network=network, fabric="topology = mesh(4, 2)")
    again, report = load_text(json.dumps(to_json(experiment)), "t.json")
    assert again is not None, render(report)
    assert again.cluster == experiment.cluster


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"fabric": "topology = mesh(3, 2)"}, "M216", "`mesh(3, 2)` has 6 places, there are 8 devices"),
        ({"network": "topology = mesh(3, 2)"}, "M216", "`mesh(3, 2)` has 6 places, there are 4 nodes"),
        ({"fabric": "routing = xy"}, "M216", "`routing = xy` needs a mesh, but the topology is `switch`"),
        ({"network": "nodes = 2"}, "M216", "`nodes` without a network `beyond`"),
        ({"network": "beyond { link = hw.ib_100 }"}, "M216", "needs the `nodes` that this one joins"),
        (
            {"network": "topology = ring, nodes = 2, beyond { link = hw.ib_100 }"},
            "M216",
            "a ring or a mesh of nodes has no",
        ),
        ({"network": "nodes = 2, beyond { link = hw.ib_100, topology = ring }"}, "M216", "is a switch"),
        (
            {"network": "nodes = 2, beyond { link = hw.ib_100, nodes = 3, beyond { link = hw.ib_100 } }"},
            "M216",
            "`beyond` joins 3 nodes, not a multiple of the 2",
        ),
        ({"network": "topology = mesh(2)"}, "M205", "`mesh` does not say its `y`"),
        ({"network": "topology = mesh(2, 2, 2)"}, "M215", "`mesh` takes named arguments"),
        ({"network": "topology = mesh(x: 2, 2)"}, "M215", "`mesh` takes named arguments"),
        ({"network": "topology = fat_tree(0.5)"}, "M204", "`oversubscription` is 0.5"),
        ({"network": "topology = fully_connected"}, "M190", "cannot simulate it yet"),
        ({"network": "topology = rail_optimised"}, "M109", "rail_optimized"),
        ({"fabric": "topology { x = 2 }"}, "M211", "does not say which variant"),
    ],
)
def test_mistakes_are_named(options, code, words):
    experiment, report = read(**options)
    assert experiment is None
    assert [d.code for d in report.diagnostics] == [code]
    assert words in render(report)
