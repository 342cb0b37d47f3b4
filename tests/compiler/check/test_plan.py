"""Every rule of the plan: one specification that breaks it, and what is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moec.compiler.check.plan import check_plan
from moec.diagnostics import Diagnostic, Span
from moec.dsl.schema import (
    AttentionPlan,
    Cluster,
    Compute,
    Device,
    Eplb,
    Exchange,
    Experiment,
    ExpertPlan,
    Explicit,
    Ffn,
    Gqa,
    Link,
    Lpt,
    Model,
    ModelDtypes,
    Moe,
    Network,
    Node,
    Parallelism,
    Routing,
    Scheduler,
    Serving,
    Zipf,
)

GPU = Device(80e9, 3e12, Compute(1e15, fp8=2e15))
MIXTURE = Model(6, 1024, 32000, Gqa(16, 8, 64), moe=Moe(16, 4, 512))
SHARED = Model(6, 1024, 32000, Gqa(16, 8, 64), Ffn(4096), Moe(16, 4, 512, shared=1, first_dense=1))
DENSE = Model(6, 1024, 32000, Gqa(16, 8, 64), Ffn(4096))


def plan(
    model: Model = MIXTURE, *, tp: int = 1, dp: int = 1, pp: int = 1, experts: ExpertPlan | None = None,
    exchange: Exchange | None = None, overlap: str = "none", nodes: int | None = None, per_node: int | None = None,
    serving: Serving | None = None, connected: bool = True, routing: Routing | None = None,
) -> Experiment:  # fmt: skip
    """A plan on just enough devices of one node, unless said otherwise."""
    node = Node(GPU, per_node or tp * dp * pp)
    network = Network(Link(50e9)) if connected else None
    return Experiment(
        model,
        Cluster(nodes or 1, node, network),
        Parallelism(AttentionPlan(tp, dp), experts or ExpertPlan(), pp, exchange or Exchange(), overlap),  # type: ignore[arg-type]
        routing or Routing(),
        serving or Serving(),
    )


def only(experiment: Experiment) -> Diagnostic:
    (found,) = check_plan(experiment)
    return found


@pytest.mark.parametrize(
    "experiment",
    [
        plan(), plan(DENSE), plan(SHARED, overlap="shared_expert"), plan(tp=2, dp=4, overlap="two_batch"),
        plan(tp=16), plan(dp=8, experts=ExpertPlan(ep=8, redundant=16, placement=Eplb())),
        plan(dp=8, experts=ExpertPlan(ep=4, tp=2)), plan(dp=4, experts=ExpertPlan(shard="tensor")), plan(pp=6),
        plan(dp=8, nodes=2, per_node=4, experts=ExpertPlan(redundant=8, placement=Explicit("slots.csv"))),
        plan(tp=4, dp=2, nodes=2, per_node=4, exchange=Exchange("allgather_reducescatter", dispatch="fp8")),
    ],
)  # fmt: skip
def test_good_plans_pass_in_silence(experiment):
    assert check_plan(experiment) == []


def test_m302_heads():
    found = only(plan(tp=3))
    assert (found.code, found.severity) == ("M302", "error")
    assert found.title == "`attention.tp = 3` does not divide the 16 attention heads"
    assert found.help == "use 1, 2, 4, 8 or 16"


def test_m303_key_value_heads():
    model = replace(MIXTURE, attention=Gqa(24, 6, 64), moe=Moe(16, 4, 512))
    found = only(plan(model, tp=4))
    assert found.code == "M303"
    assert found.help == "use 1, 2, 3, 6, 12 or 24"


@pytest.mark.parametrize(
    ("experiment", "title"),
    [
        (plan(replace(DENSE, ffn=Ffn(4098)), tp=4), "the inner width of the dense network, 4098, cannot be split over 4 ranks"),
        (plan(replace(MIXTURE, moe=Moe(16, 4, 510)), dp=4, experts=ExpertPlan(tp=4)), "the inner width of an expert, 510, cannot be split over 4 ranks"),
        (plan(replace(MIXTURE, moe=Moe(16, 4, 510)), dp=4, experts=ExpertPlan(shard="tensor")), "the inner width of an expert, 510, cannot be split over 4 ranks"),
        (plan(replace(MIXTURE, moe=Moe(16, 4, 512, shared=1, shared_intermediate=510)), tp=4), "the inner width of the shared experts, 510, cannot be split over 4 ranks"),
    ],
)  # fmt: skip
def test_m304_widths(experiment, title):
    found = only(experiment)
    assert (found.code, found.title) == ("M304", title)


def test_m305_expert_ranks():
    found = only(plan(tp=2, dp=2, experts=ExpertPlan(ep=8)))
    assert (found.code, found.title) == ("M305", "the experts want 8 ranks, attention has 4")
    assert found.help == "`ep = 4`, or leave `ep` out"
    found = only(plan(dp=4, experts=ExpertPlan(tp=3)))
    assert (found.code, found.help) == ("M305", "`experts.tp` must divide 4: use 1, 2 or 4")


def test_m306_slots():
    found = only(plan(dp=6))
    assert (found.code, found.title) == ("M306", "16 experts cannot be spread evenly over 6 ranks")
    assert found.help == "use 4 or 8 ranks for the experts, or `placement = eplb()` with `redundant = 2`"
    found = only(plan(dp=8, experts=ExpertPlan(redundant=3, placement=Eplb())))
    assert found.help == "`redundant = 8` fills every rank alike"


@pytest.mark.parametrize("placement", [ExpertPlan().placement, Lpt()])
def test_m307_replicas_that_nobody_makes(placement):
    found = only(plan(dp=8, experts=ExpertPlan(redundant=8, placement=placement)))
    assert found.code == "M307"
    assert "no replicas" in found.title


def test_m307_more_replicas_than_ranks():
    found = only(plan(dp=2, experts=ExpertPlan(redundant=18, placement=Eplb())))
    assert found.code == "M307"
    assert found.label == "16 experts on every one of 2 ranks are 16 replicas"


def test_m308_groups():
    assert only(plan(replace(MIXTURE, moe=Moe(16, 4, 512, groups=3)))).title == "3 groups do not divide 16 experts"
    found = only(plan(replace(MIXTURE, moe=Moe(16, 4, 512, groups=4, group_limit=5))))
    assert (found.code, found.help) == ("M308", "use at most 4")


def test_m309_top_k():
    assert only(plan(replace(MIXTURE, moe=Moe(16, 17, 512)))).title == "a token visits 17 experts, but there are 16"
    found = only(plan(replace(MIXTURE, moe=Moe(16, 6, 512, groups=8, group_limit=2))))
    assert found.title == "a token visits 6 experts, but there are 4 in the 2 groups that a token may choose from"


def test_m310_stages():
    assert only(plan(pp=7)).title == "7 pipeline stages for 6 layers"


def test_m311_devices():
    found = only(plan(tp=2, dp=4, per_node=4))
    assert (found.title, found.help) == ("the plan needs 8 GPUs, the cluster has 4", "`nodes = 2` is enough")
    found = only(plan(dp=4, per_node=4, serving=Serving(instances=3)))
    assert found.label == "3 instances x tp = 1 x dp = 4 is 12 GPUs"


def test_m312_network():
    found = only(plan(dp=8, nodes=2, per_node=4, connected=False))
    assert (found.code, found.title) == ("M312", "2 nodes without a network")


def test_m313_dense_model():
    assert only(plan(DENSE, experts=ExpertPlan(ep=1))).title == "`experts` is set, but the model has no experts"
    assert only(plan(DENSE, exchange=Exchange("allreduce"))).help == "drop `exchange` from the plan"


def test_m314_budget():
    found = only(plan(serving=Serving(Scheduler(max_sequences=512, max_batched_tokens=256))))
    assert (found.code, found.title) == ("M314", "256 tokens per iteration cannot serve 512 running requests")


@pytest.mark.parametrize(
    "experts",
    [
        ExpertPlan(ep=4, shard="tensor"), ExpertPlan(shard="tensor", redundant=4),
        ExpertPlan(shard="tensor", placement=Eplb()), ExpertPlan(tp=2, shard="tensor"),
    ],
)  # fmt: skip
def test_m315_sliced_experts(experts):
    assert only(plan(dp=4, experts=experts)).code == "M315"


def test_m316_overlap():
    assert only(plan(overlap="shared_expert")).title == "`overlap = shared_expert`, but the model has no shared expert"
    assert only(plan(DENSE, overlap="two_batch")).code == "M316"


def test_m317_layers():
    assert only(plan(replace(SHARED, moe=Moe(16, 4, 512, first_dense=6)))).title == "no layer is a mixture"
    found = only(plan(replace(MIXTURE, moe=Moe(16, 4, 512, every=2))))
    assert found.title == "3 of 6 layers have no feed-forward network"


def test_m318_heads():
    assert only(plan(replace(MIXTURE, attention=Gqa(16, 3, 64)))).code == "M318"


def test_m401_idle_devices():
    found = only(plan(dp=2, per_node=8))
    assert (found.code, found.severity, found.title) == ("M401", "warning", "6 of 8 GPUs stay idle")
    assert found.help == "`instances = 4` would use 8"


def test_m402_groups_across_nodes():
    found = only(plan(tp=8, nodes=2, per_node=4))
    assert (found.code, found.severity) == ("M402", "warning")


def test_m403_arithmetic():
    found = only(plan(replace(MIXTURE, dtype=ModelDtypes(weights="fp8", experts="fp4"))))
    assert found.title == "the device has no fp4 arithmetic: fp4 weights are unpacked and computed in bf16"


def test_m404_gathered_tokens():
    assert only(plan(dp=2, exchange=Exchange("allreduce"))).code == "M404"


def test_m405_unused_exchange():
    found = only(plan(tp=2, exchange=Exchange("allreduce", dispatch="fp8")))
    assert found.title == "`dispatch` has no effect: every rank has all tokens already (dp = 1)"
    found = only(plan(dp=2, exchange=Exchange("allgather_reducescatter", deduplicate=False)))
    assert found.code == "M405"


def test_m406_unused_model():
    assert only(plan(replace(MIXTURE, ffn=Ffn(4096)))).title == "`ffn` has no effect: every layer is a mixture"
    assert only(plan(replace(MIXTURE, attention=Gqa(16, 8, 64, full_every=2)))).code == "M406"
    assert only(plan(DENSE, routing=Routing(Zipf(1.0)))).code == "M406"


def test_places_in_the_text():
    here, heads = Span("a.moe", 3, 5, 3, 11), Span("a.moe", 1, 1, 1, 9)
    spans = {"parallelism.attention": here, "model.attention.heads": heads}
    found = only(replace(plan(tp=3), spans=spans))
    assert found.span == here
    assert [(label.span, label.text) for label in found.labels] == [(heads, "16 heads")]


def test_errors_come_without_warnings():
    assert {d.severity for d in check_plan(plan(tp=3, per_node=8))} == {"error"}


def test_the_advice_on_tp_is_good_for_heads_and_widths():
    model = replace(SHARED, attention=Gqa(24, 6, 64), ffn=Ffn(4096))
    found = only(plan(model, tp=5, dp=1))
    assert (found.code, found.help) == ("M302", "use 1 or 2")


def test_findings_come_in_the_order_of_the_text():
    spans = {"parallelism.pp": Span("a.moe", 2, 1, 2, 5), "parallelism.attention.tp": Span("a.moe", 5, 1, 5, 5)}
    found = check_plan(replace(plan(DENSE, tp=3, pp=7), spans=spans))
    assert [d.code for d in found] == ["M310", "M302"]
