"""From a specification to measured times: which device has which tables, what the roofline fills in, and what is said."""

from __future__ import annotations

import numpy as np
import pytest

from moec.backends.fast.backend import FastBackend
from moec.backends.network.alpha_beta import alltoall_ns, collective_ns
from moec.backends.network.tiers import network_of
from moec.backends.op_rows import op_rows
from moec.compiler.costs.registry import cost_model
from moec.compiler.costs.roofline import Roofline
from moec.compiler.costs.silicon import package
from moec.compiler.costs.silicon.measured_collectives import Collectives
from moec.compiler.costs.silicon.silicon_costs import A_TRACE, as_measured
from moec.compiler.ir.batch import RankBatch
from moec.compiler.ir.estimate import EXTRAPOLATED, INTERPOLATED, LEVELS, MEASURED
from moec.compiler.ir.graph import Dense
from moec.compiler.ir.kernels import Elementwise, ExpertFfn, Gemm
from moec.compiler.lower import lower, program_of
from moec.compiler.prepare import prepare
from moec.dsl.load import load_text
from support.silicon_tables import mixture_ms, product_ms, products, reduced_ms

SPEC = """moe 1
use "std/models"
use "std/hardware" as hw
experiment e {{
  model = models.olmoe_1b_7b
  cluster {{ nodes = {nodes}, node = hw.{node} {{ devices = {devices} {fabric} }} {network} }}
  parallelism {{ {plan} }}
  costs = silicon({costs})
}}
"""


def experiment(node="dgx_h100", devices=1, plan="", costs="engine: vllm", fabric="", nodes=1, network="", overrides=()):
    text = SPEC.format(node=node, devices=devices, plan=plan, costs=costs, fabric=fabric, nodes=nodes, network=network)
    found, report = load_text(text, overrides=overrides)
    assert found is not None, [d.title for d in report.diagnostics]
    return found


def made(**changes):
    return cost_model(experiment(**changes))


TP2 = "attention { tp = 2 }, experts { ep = 1, tp = 2, shard = tensor }, exchange { method = allreduce }"
HEAD = Gemm(np.array([64.0]), 1024, 256, "bf16", "bf16")


def test_a_device_of_the_library_names_its_tables():
    assert experiment().cluster.node.device.silicon == "h100_sxm"
    assert experiment(node="dgx_h200").cluster.node.device.silicon == "h200_sxm"


def test_an_unknown_table_is_refused_with_the_known_ones():
    text = SPEC.format(node="dgx_h100", devices=1, plan="", costs="", fabric="", nodes=1, network="")
    _, report = load_text(text, overrides=["cluster.node.device.silicon=h100"])

    assert [d.code for d in report.diagnostics] == ["M109"]
    assert "`h100_sxm`" in report.diagnostics[0].help


def test_kernels_take_what_was_measured(library):
    costs, found = made()
    estimate = costs.estimate(HEAD, experiment().cluster.node.device, "qkv_proj")

    assert not found
    assert estimate.time_ns == pytest.approx(1e6 * product_ms(64, 1024, 256))
    assert LEVELS[int(estimate.evidence.level.max())] == "measured"


def test_what_no_table_answers_is_the_rooflines(library):
    costs, _ = made()
    device, kernel = experiment().cluster.node.device, Elementwise(np.array([1e6]))
    estimate = costs.estimate(kernel, device, "ffn_norm")

    assert estimate.time_ns == pytest.approx(Roofline().estimate(kernel, device).time_ns)
    assert estimate.source == "modelled"


@pytest.mark.parametrize("role", ["top_k", "moe_sum"])
def test_what_the_measured_mixture_holds_takes_no_time_of_its_own(library, role):
    costs, _ = made()
    device = experiment().cluster.node.device

    assert costs.estimate(Elementwise(np.array([1e6])), device, role).time_ns.tolist() == [A_TRACE]
    assert costs.estimate(Elementwise(np.array([0.0])), device, role).time_ns.tolist() == [0]


def test_what_no_measured_mixture_holds_is_modelled(stand):
    stand.write("h100_sxm", {("gemm", "vllm", "gemm"): products()})
    costs, _ = made()
    device, kernel = experiment().cluster.node.device, Elementwise(np.array([1e6]))

    assert costs.estimate(kernel, device, "moe_sum").time_ns == pytest.approx(
        Roofline().estimate(kernel, device).time_ns
    )


def test_experts_know_the_experiments_mixture(library):
    costs, _ = made()
    kernel = ExpertFfn(np.array([4096.0]), np.array([64.0]), 2048, 1024, True, "bf16", "bf16")
    estimate = costs.estimate(kernel, experiment().cluster.node.device, "experts")

    assert estimate.time_ns == pytest.approx(1e6 * mixture_ms(64, 4096))


def test_a_device_that_differs_from_the_measured_one_is_moved_by_the_roofline(library):
    override = ["cluster.node.device.bandwidth=1675 GB/s"]
    costs, _ = made(overrides=override)
    slower = experiment(overrides=override).cluster.node.device
    kernel = Gemm(np.array([1.0]), 4096, 4096, "bf16", "bf16")
    model = Roofline()
    ratio = model.estimate(kernel, slower).time_ns / model.estimate(kernel, as_measured(slower)).time_ns
    estimate = costs.estimate(kernel, slower, "qkv_proj")

    assert ratio > 1.5
    assert estimate.time_ns == pytest.approx(1e6 * product_ms(1, 4096, 4096) * ratio)
    assert estimate.evidence.level.tolist() == [EXTRAPOLATED]


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(package, "find_spec", lambda name: None)
    costs, found = made()

    assert costs is None
    assert [(d.code, d.severity) for d in found] == [("M661", "error")]
    assert "pip install 'moec[silicon]'" in found[0].help


def test_a_device_without_tables_falls_to_the_roofline_and_says_so(library):
    costs, found = made(node="hgx_h20")

    assert isinstance(costs, Roofline)
    assert [(d.code, d.severity) for d in found] == [("M462", "warning")]
    assert "`h100_sxm`" in found[0].help


def test_an_engine_without_tables_falls_to_the_roofline_and_says_so(library):
    costs, found = made(costs="engine: trtllm")

    assert isinstance(costs, Roofline)
    assert [(d.code, d.severity) for d in found] == [("M463", "warning")]


def test_another_version_of_the_package_is_named(library, monkeypatch):
    monkeypatch.setattr("moec.compiler.costs.silicon.silicon_costs.installed", lambda: "0.99.0")
    _, found = made()

    assert [(d.code, d.severity) for d in found] == [("M464", "warning")]


class TestCollectives:
    MEMBERS = np.arange(2)[None, :]

    def net(self, **changes):
        return FastBackend.of(experiment(**{"devices": 2, "plan": TP2, **changes})).net

    def test_sizes_are_elements_of_two_bytes_and_graphs_count(self, library):
        time, level = Collectives(library).time("all_reduce", 2, np.array([2 * 8192.0]))

        assert time == pytest.approx(1e6 * reduced_ms(8192))
        assert level.tolist() == [MEASURED]

    def test_the_others_are_nccls(self, library):
        time, _ = Collectives(library).time("all_gather", 4, np.array([2 * 256.0]))

        assert time == pytest.approx(2e6 * reduced_ms(256))

    def test_small_ones_take_the_floor_and_large_ones_grow(self, library):
        time, level = Collectives(library).time("all_reduce", 2, np.array([2.0, 4 * 1_048_576.0]))

        assert time == pytest.approx([1e6 * reduced_ms(128), 2e6 * reduced_ms(1_048_576)])
        assert level.tolist() == [INTERPOLATED, EXTRAPOLATED]

    def test_the_fast_backend_asks_them_first(self, library):
        time = collective_ns("all_reduce", np.array([2 * 8192.0]), self.MEMBERS, self.net())

        assert time == pytest.approx(1e6 * reduced_ms(8192))

    def test_nothing_to_reduce_takes_no_time(self, library):
        assert collective_ns("all_reduce", np.array([0.0]), self.MEMBERS, self.net()).tolist() == [0]

    def test_an_even_exchange_takes_what_an_even_one_was_measured_to_take(self, library):
        pairs = Dense(np.full((1, 2, 2), 512.0 / 2))  # each of two ranks holds 512 bytes, and keeps half of them
        time = alltoall_ns(pairs, self.MEMBERS, self.net())

        assert time == pytest.approx(2e6 * reduced_ms(256))

    def test_other_sizes_of_groups_keep_the_model(self, library):
        members, net = np.arange(3)[None, :], self.net(devices=3, plan="")
        plain = network_of(experiment(devices=3))

        assert collective_ns("all_reduce", np.array([1e6]), members, net) == pytest.approx(
            collective_ns("all_reduce", np.array([1e6]), members, plain)
        )

    def test_across_nodes_the_model_stands(self, library):
        changes = {
            "devices": 1,
            "nodes": 2,
            "network": ", network { link = hw.ndr400 }",
            "plan": "attention { dp = 2 }",
        }
        net, plain = FastBackend.of(experiment(**changes)).net, network_of(experiment(**changes))

        assert collective_ns("all_gather", np.array([1e6]), self.MEMBERS, net) == pytest.approx(
            collective_ns("all_gather", np.array([1e6]), self.MEMBERS, plain)
        )

    def test_another_fabric_was_not_measured(self, library):
        assert self.net(fabric=", fabric { bandwidth = 100 GB/s }").measured is None
        assert self.net().measured is not None

    def test_the_op_table_says_what_is_measured(self, library):
        prepared, _ = prepare(experiment(devices=2, plan=TP2))
        program = program_of(prepared.context)
        graph = lower(program, (RankBatch(np.ones(8, dtype=np.int64), np.full(8, 100)),))
        rows = {row.name: row for row in op_rows(graph, FastBackend.of(prepared.context.experiment).run(graph))}

        assert rows["experts"].source in LEVELS[:3]
        assert rows["attn_norm"].source == "modelled"
