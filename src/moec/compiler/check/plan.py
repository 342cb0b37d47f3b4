"""Whether the parallelism plan is consistent with the model, the cluster and the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from moec.compiler.check.model import choice, layers
from moec.compiler.check.splits import attention_heads, widths
from moec.compiler.check.warnings import check_fidelity
from moec.compiler.sizes.layout import layout_of_plan
from moec.diagnostics import Diagnostic
from moec.diagnostics.findings import Finding, diagnostic, divisors, listed
from moec.dsl.schema import Exchange, Experiment, ExpertPlan, Moe

Rule = Callable[[Experiment], Iterator[Finding]]


def check_plan(experiment: Experiment) -> list[Diagnostic]:
    """Every M3xx error of the plan but memory or, when there is none, the M4xx warnings; in the order of the text."""
    found = [diagnostic(experiment, finding) for rule in RULES for finding in rule(experiment)]
    return sorted(found or check_fidelity(experiment), key=_place)


def _place(found: Diagnostic) -> tuple[str, int, int]:
    return (found.span.file, found.span.line, found.span.column) if found.span is not None else ("", 0, 0)


def expert_ranks(e: Experiment) -> Iterator[Finding]:
    """M305: experts use exactly the ranks of attention; M315: sliced experts leave nothing to place."""
    attention, experts = e.parallelism.attention, e.parallelism.experts
    stage = attention.tp * attention.dp
    if e.model.moe is None:
        return
    if experts.shard == "tensor":
        if experts.ep not in (None, 1) or experts.tp not in (1, stage) or experts.redundant or _places(experts):
            yield Finding(
                "M315",
                "`shard = tensor` slices every expert over all ranks, so experts cannot also be spread, copied or placed",
                ("parallelism.experts.shard",),
                f"each of {stage} ranks holds 1/{stage} of every expert",
                tuple(
                    (f"parallelism.experts.{f}", "has no meaning here") for f in ("ep", "tp", "redundant", "placement")
                ),
                "drop the other fields of `experts`, or use `shard = whole`",
            )
        return
    ep = experts.ep if experts.ep is not None else max(1, stage // experts.tp)
    if ep * experts.tp != stage:
        fits = stage % experts.tp == 0
        yield Finding(
            "M305",
            f"the experts want {ep * experts.tp} ranks, attention has {stage}",
            ("parallelism.experts.ep", "parallelism.experts.tp"),
            f"ep = {ep} x tp = {experts.tp} is {ep * experts.tp} ranks",
            (("parallelism.attention", f"tp = {attention.tp} x dp = {attention.dp} is {stage} ranks"),),
            f"`ep = {stage // experts.tp}`, or leave `ep` out"
            if fits
            else f"`experts.tp` must divide {stage}: use {listed(divisors(stage))}",
        )


def _places(experts: ExpertPlan) -> bool:
    return experts.placement != ExpertPlan().placement


def expert_slots(e: Experiment) -> Iterator[Finding]:
    """M306: every rank has as many slots; M307: replicas need a placement that makes them, and ranks to sit on."""
    moe, experts = e.model.moe, e.parallelism.experts
    if moe is None or experts.shard == "tensor" or _unsettled(e):
        return
    ep = layout_of_plan(e.parallelism, moe=True).ep
    total = moe.experts + experts.redundant
    if experts.redundant and not experts.replicates:
        yield Finding(
            "M307",
            f"{experts.redundant} redundant experts, but the placement makes no replicas",
            ("parallelism.experts.redundant",),
            f"{experts.redundant} slots would stay empty",
            (("parallelism.experts.placement", "places every expert once"),),
            'use `placement = eplb()` or `explicit("file")`, or `redundant = 0`',
        )
    elif experts.redundant > moe.experts * (ep - 1):
        yield Finding(
            "M307",
            f"{experts.redundant} redundant experts are more than the ranks can use",
            ("parallelism.experts.redundant",),
            f"{moe.experts} experts on every one of {ep} ranks are {moe.experts * (ep - 1)} replicas",
            (),
            f"use at most {moe.experts * (ep - 1)}: two replicas of an expert on one rank share its work with nobody",
        )
    if total % ep:
        yield _uneven(moe, experts, ep)


def _unsettled(e: Experiment) -> bool:
    """Whether the number of expert ranks is itself in question: what follows from it would only repeat that."""
    attention, experts = e.parallelism.attention, e.parallelism.experts
    stage = attention.tp * attention.dp
    spread = (stage // experts.tp if experts.ep is None else experts.ep) * experts.tp
    return spread != stage or next(attention_heads(e), None) is not None


def _uneven(moe: Moe, experts: ExpertPlan, ep: int) -> Finding:
    total = moe.experts + experts.redundant
    added = f" + {experts.redundant} redundant" if experts.redundant else ""
    if experts.replicates:
        advice = f"`redundant = {experts.redundant + -total % ep}` fills every rank alike"
    else:
        near = [max(n for n in divisors(total) if n < ep), *[n for n in divisors(total) if n > ep][:1]]
        advice = (
            f"use {listed(near)} ranks for the experts, or `placement = eplb()` with `redundant = {-moe.experts % ep}`"
        )
    return Finding(
        "M306",
        f"{total} experts cannot be spread evenly over {ep} ranks",
        ("parallelism.experts.ep", "parallelism.attention"),
        f"{moe.experts}{added} experts / {ep} ranks is not whole",
        (
            ("parallelism.experts.redundant", f"{experts.redundant} redundant"),
            ("model.moe.experts", f"{moe.experts} experts"),
        ),
        advice,
    )


def devices(e: Experiment) -> Iterator[Finding]:
    """M310: no empty stage; M311: enough devices; M312: nodes are connected."""
    layout = layout_of_plan(e.parallelism, moe=e.model.moe is not None)
    if layout.pp > e.model.layers:
        yield Finding(
            "M310", f"{layout.pp} pipeline stages for {e.model.layers} layers", ("parallelism.pp",),
            "some stages would have no layer", (("model.layers", f"{e.model.layers} layers"),),
            f"use at most {e.model.layers}",
        )  # fmt: skip
    cluster, instances = e.cluster, e.serving.instances
    has, wants = cluster.nodes * cluster.node.devices, instances * layout.world
    if wants > has:
        times = f"{instances} instances x " if instances > 1 else ""
        parts = f"{times}tp = {layout.tp} x dp = {layout.dp}" + (f" x pp = {layout.pp}" if layout.pp > 1 else "")
        network = ", with a `network`" if cluster.network is None else ""
        yield Finding(
            "M311", f"the plan needs {wants} GPUs, the cluster has {has}",
            ("parallelism.attention", "cluster.nodes", "cluster"), f"{parts} is {wants} GPUs",
            (("cluster.nodes", f"{cluster.nodes} x {cluster.node.devices} GPUs"),), f"`nodes = {-(-wants // cluster.node.devices)}` is enough{network}",
        )  # fmt: skip
    if cluster.nodes > 1 and cluster.network is None:
        yield Finding(
            "M312", f"{cluster.nodes} nodes without a network", ("cluster.nodes", "cluster"),
            "nothing connects them", (), "add `network { link = hw.ndr400 }` to the cluster",
        )  # fmt: skip


def dense_model(e: Experiment) -> Iterator[Finding]:
    """M313: a model without experts has nothing to split or exchange."""
    if e.model.moe is not None:
        return
    for name, given in (
        ("experts", e.parallelism.experts != ExpertPlan()),
        ("exchange", e.parallelism.exchange != Exchange()),
    ):
        if given:
            yield Finding(
                "M313", f"`{name}` is set, but the model has no experts", (f"parallelism.{name}",),
                "has no meaning here", (("model", "has no `moe` block"),), f"drop `{name}` from the plan",
            )  # fmt: skip


def budget(e: Experiment) -> Iterator[Finding]:
    """M314: every running request can get its token (vLLM refuses the same)."""
    tokens, sequences = e.serving.scheduler.max_batched_tokens, e.serving.scheduler.max_sequences
    if tokens < sequences:
        yield Finding(
            "M314", f"{tokens} tokens per iteration cannot serve {sequences} running requests",
            ("serving.scheduler.max_batched_tokens", "serving.scheduler.max_sequences"),
            f"each of {sequences} requests needs one token",
            (("serving.scheduler.max_sequences", f"up to {sequences} requests"),),
            f"`max_batched_tokens` of at least {sequences}, or fewer `max_sequences`",
        )  # fmt: skip


def swapping(e: Experiment) -> Iterator[Finding]:
    """M320: blocks that are swapped have a link to travel over."""
    if e.serving.kv_cache.preemption == "swap" and e.cluster.node.device.host is None:
        yield Finding(
            "M320", "KV blocks cannot be swapped: the device has no link to its host",
            ("serving.kv_cache.preemption",), "moves blocks to host memory and back",
            (("cluster.node", "its device has no `host`"),),
            "give the device `host = 64 GB/s` (PCIe 5.0 x16, per direction), or use `preemption = recompute`",
        )  # fmt: skip


def two_phases(e: Experiment) -> Iterator[Finding]:
    """M319: a two-phase exchange has a peer at the same place of every node, and experts lie within nodes."""
    exchange, per_node = e.parallelism.exchange, e.cluster.node.devices
    if e.model.moe is None or exchange.method != "alltoall" or exchange.route != "two_phase":
        return
    layout = layout_of_plan(e.parallelism, moe=True)
    if layout.stage % per_node and (layout.stage > per_node or (layout.pp > 1 and per_node % layout.stage)):
        yield Finding(
            "M319", "a two-phase exchange needs whole nodes", ("parallelism.exchange.route",),
            f"{layout.stage} GPUs exchange tokens on nodes of {per_node}",
            (("cluster.node", f"{per_node} GPUs per node"),),
            f"use a multiple of {per_node} GPUs per pipeline stage, or `route = direct`",
        )  # fmt: skip
    elif layout.stage > per_node and per_node % layout.expert_tp:
        yield Finding(
            "M319", f"a two-phase exchange cannot split an expert's {layout.expert_tp} GPUs over nodes",
            ("parallelism.exchange.route",), "a token goes to one peer in each node",
            (("parallelism.experts", f"every expert is on {layout.expert_tp} GPUs"), ("cluster.node", f"{per_node} GPUs per node")),
            f"use an `experts.tp` that divides {per_node}, or `route = direct`",
        )  # fmt: skip


def overlap(e: Experiment) -> Iterator[Finding]:
    """M316: there is something to overlap."""
    moe, mode = e.model.moe, e.parallelism.overlap
    if mode == "two_batch" and moe is None:
        missing, cause = "the model has no experts whose exchange could be hidden", "model"
    elif mode == "shared_expert" and (moe is None or moe.shared == 0):
        missing, cause = "the model has no shared expert", "model.moe" if moe else "model"
    else:
        return
    yield Finding(
        "M316", f"`overlap = {mode}`, but {missing}", ("parallelism.overlap",), "nothing to overlap",
        ((cause, "has none"),), "use `overlap = none`" + (" or `two_batch`" if moe else ""),
    )  # fmt: skip


RULES: tuple[Rule, ...] = (
    layers, choice, attention_heads, widths, expert_ranks, expert_slots, devices, dense_model, overlap, two_phases, budget,
    swapping,
)  # fmt: skip
