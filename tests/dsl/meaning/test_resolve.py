"""What names stand for: late-bound copies, lookup from the inside outwards, cycles."""

from __future__ import annotations

import pytest

from moec.diagnostics import Report
from moec.dsl.load import check_text, load_text
from moec.dsl.schema import Experiment, Gqa, Mla, Zipf
from support.specs import WHOLE


def _load(text: str, *overrides: str) -> Experiment:
    experiment, report = load_text(text, overrides=overrides)
    assert report.diagnostics == ()
    assert experiment is not None
    return experiment


def _with(extra: str, *overrides: str, **replaced: str) -> Experiment:
    """The shared specification with more definitions, its experiment naming some of them."""
    text = WHOLE
    for field, name in replaced.items():
        old = {"model": "small", "parallelism": "wide", "routing": "hot", "cluster": "pod", "workload": "chat"}[field]
        text = text.replace(f"{field} = {old},", f"{field} = {name},")
        text = text.replace(f"{field} = {old}\n", f"{field} = {name}\n")
    return _load(text + extra, *overrides)


def _codes(report: Report) -> list[str]:
    return [d.code for d in report.diagnostics]


def test_what_is_derived_follows_an_override() -> None:
    experiment = _with("parallelism narrow = wide { attention { dp = 8 } }\n", parallelism="narrow")
    assert experiment.parallelism.experts.ep == 8
    assert experiment.parallelism.experts.redundant == 16
    assert experiment.names["parallelism"] == "narrow"


def test_copies_of_copies_are_late_bound_too() -> None:
    extra = "parallelism a = wide { experts { ep = attention.dp * 2 } }\nparallelism b = a { attention { dp = 4 } }\n"
    assert _with(extra, parallelism="b").parallelism.experts.ep == 8
    assert _with(extra, parallelism="a").parallelism.experts.ep == 32


def test_a_set_is_late_bound() -> None:
    assert _load(WHOLE, "parallelism.attention.dp=4").parallelism.experts.ep == 4
    assert (
        _load(WHOLE, "parallelism.attention.dp=4", "parallelism.experts.ep=attention.dp/2").parallelism.experts.ep == 2
    )


def test_a_set_may_name_what_the_file_names() -> None:
    assert _load(WHOLE, "model=models.deepseek_v3").model.layers == 61
    assert _load(WHOLE, "routing.popularity=zipf(exponent: 1.2)").routing.popularity == Zipf(1.2)
    assert _load(WHOLE, "workload.arrivals.rate=20 req/s").workload != _load(WHOLE).workload


def test_an_amended_block_merges_into_the_variant_it_is() -> None:
    extra = "model half = models.mixtral_8x7b { attention { heads = 16 } }\n"
    attention = _with(extra, model="half").model.attention
    assert attention == Gqa(heads=16, kv_heads=8, head_dim=128)


def test_another_variant_replaces_the_whole_block() -> None:
    mla = "mla { heads = 2, kv_rank = 512, nope_dim = 128, rope_dim = 64, v_dim = 128 }"
    for form in (f"attention = {mla}", f"attention {mla}"):
        experiment = _with(f"model latent = models.mixtral_8x7b {{ {form} }}\n", model="latent")
        assert experiment.model.attention == Mla(heads=2, kv_rank=512, nope_dim=128, rope_dim=64, v_dim=128)


def test_amending_a_copy_leaves_the_original() -> None:
    extra = """
cluster first = pod { node { devices = 4 } }
cluster second = first { nodes = first.nodes + pod.node.devices }
"""
    experiment = _with(extra, cluster="second")
    assert (experiment.cluster.nodes, experiment.cluster.node.devices) == (10, 4)


def test_a_name_is_looked_up_from_the_inside_outwards() -> None:
    extra = """
parallelism tp { attention { tp = 2 } }
parallelism inner { attention { tp = 4, dp = tp * 2 }, pp = attention.tp, experts { ep = tp * attention.tp } }
"""
    plan = _with(extra, parallelism="inner").parallelism
    assert (plan.attention.dp, plan.pp, plan.experts.ep) == (8, 4, 4)


def test_a_field_is_not_its_own_value_but_another_things() -> None:
    extra = "link link { bandwidth = 1 GB/s }\ncluster cluster = pod { network { link = link } }\n"
    cluster = _with(extra, cluster="cluster").cluster
    assert cluster.network is not None
    assert cluster.network.link.bandwidth == 1e9


def test_defaults_can_be_referred_to() -> None:
    extra = "parallelism plain { attention { dp = 2 * tp }, pp = 4 * experts.tp }\n"
    plan = _with(extra, parallelism="plain").parallelism
    assert (plan.attention.dp, plan.pp) == (2, 4)


def test_a_field_without_a_value_hides_nothing() -> None:
    extra = "device host = hw.h100\ncluster c = pod { node { fabric { bandwidth = host.link.bandwidth } } }\n"
    assert _with(extra, cluster="c").cluster.node.fabric.bandwidth == 450e9


def test_identifiers_of_closed_sets_come_before_references() -> None:
    extra = "parallelism fp8 { pp = 1 }\nparallelism low { exchange { dispatch = fp8, combine = dispatch } }\n"
    exchange = _with(extra, parallelism="low").parallelism.exchange
    assert (exchange.dispatch, exchange.combine) == ("fp8", "fp8")


def test_fp16_is_another_name_of_the_bf16_rate() -> None:
    extra = "device old = hw.h100 { compute { fp16 = 100 TFLOPS } }\ncluster c = pod { node { device = old } }\n"
    assert _with(extra, cluster="c").cluster.node.device.compute.bf16 == 100e12


def test_inline_blocks_need_no_definition() -> None:
    experiment = _load(
        """moe 1
use "std/models"
use "std/hardware"
experiment e {
  model = models.mixtral_8x7b { dtype { weights = fp8 } }
  cluster { nodes = 1, node = hardware.dgx_h100 }
  parallelism { attention { tp = 8 } }
}
"""
    )
    assert experiment.model.dtype.weights == "fp8"
    assert experiment.names["model"] == "mixtral_8x7b"
    assert experiment.workload is None


@pytest.mark.parametrize(
    "text",
    [
        "routing a = b\nrouting b = a\n",
        "parallelism a { pp = pp }\n",
        "parallelism a { pp = attention.tp, attention { tp = pp } }\n",
        "parallelism a { pp = b.pp }\nparallelism b { pp = a.pp }\n",
        "workload w { arrivals = poisson(rate: arrivals.rate), requests = lengths(input: 1, output: 1, count: 1) }\n",
        "model m = m { layers = 2 }\n",
    ],
)
def test_cycles_are_diagnostics(text: str) -> None:
    assert _codes(check_text("moe 1\n" + text)[1]) == ["M107"]


def test_a_mistake_is_told_once_however_many_use_it() -> None:
    text = WHOLE.replace("exponent: 0.8", "exponent: -1")
    text += "routing hotter = hot { per_layer = same }\nexperiment again = serve { routing = hotter }\n"
    experiments, report = check_text(text)
    assert _codes(report) == ["M204"]
    assert experiments == ()


def test_unused_definitions_are_checked_and_unfinished_bases_are_not_unused() -> None:
    assert _codes(check_text(WHOLE + "routing unused { popularity = zipff(exponent: 1) }\n")[1]) == ["M109"]
    base = "cluster base { node = hw.dgx_h100 }\ncluster whole = base { nodes = 1 }\n"
    assert _codes(check_text(WHOLE.replace("cluster = pod", "cluster = whole") + base + "")[1]) == []


def test_mistakes_come_in_source_order() -> None:
    text = """moe 1
experiment e { model = nobody, cluster = later }
cluster later { nodes = 0 }
routing first { popularity = zipf() }
"""
    report = check_text(text)[1]
    assert [d.span.line for d in report.diagnostics if d.span] == sorted(
        d.span.line for d in report.diagnostics if d.span
    )
    assert _codes(report) == ["M103", "M205", "M204", "M205"]


def test_what_has_been_said_is_not_said_again_as_missing() -> None:
    misspelt = "moe 1\nlink l { bandwith = 1 GB/s }\n"
    assert _codes(check_text(misspelt)[1]) == ["M101"]
    pools = "moe 1\ncluster c { pool attention { nodes = 4 } }\n"
    assert _codes(check_text(pools)[1]) == ["M190"]
    damaged = "moe 1\nlink l { bandwidth = = 1 GB/s }\n"
    assert _codes(check_text(damaged)[1]) == ["M001"]
