"""What a plan asks for that will not do what its author may think: warnings, not errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from moec.compiler.sizes.layout import layout_of
from moec.compiler.sizes.parameters import KINDS, cuts_heads, moe_layers, parameters, weight_dtype
from moec.diagnostics import Diagnostic
from moec.diagnostics.findings import Finding, diagnostic
from moec.dsl.schema import Compute, Dtype, Experiment, Gqa, Mesh, Routing

Rule = Callable[[Experiment], Iterator[Finding]]

ARITHMETIC: dict[Dtype, str] = {"fp8": "fp8", "int8": "int8", "fp4": "fp4"}
"""Weight types that are computed with as they are where the device can; the others are always unpacked first."""


def check_fidelity(experiment: Experiment) -> list[Diagnostic]:
    """Every M4xx warning of a plan that has no errors."""
    return [diagnostic(experiment, finding) for rule in RULES for finding in rule(experiment)]


def idle_devices(e: Experiment) -> Iterator[Finding]:
    """M401: devices without work."""
    has = e.cluster.nodes * e.cluster.node.devices
    used = e.serving.instances * layout_of(e).world
    if used < has:
        more = has // layout_of(e).world
        advice = f"`instances = {more}` would use {more * layout_of(e).world}" if more > e.serving.instances else ""
        yield _warning(
            "M401", f"{has - used} of {has} GPUs stay idle", ("cluster.nodes", "cluster"),
            f"{e.cluster.nodes} x {e.cluster.node.devices} GPUs",
            (("parallelism.attention", f"the plan uses {used}"),), advice,
        )  # fmt: skip


def spanning_groups(e: Experiment) -> Iterator[Finding]:
    """M402: tensor parallelism across nodes."""
    layout, per_node = layout_of(e), e.cluster.node.devices
    if e.cluster.nodes > 1 and layout.tp > 1 and per_node % layout.tp and e.serving.instances * layout.world > per_node:
        yield _warning(
            "M402", f"groups of {layout.tp} tensor-parallel GPUs cross nodes", ("parallelism.attention.tp",),
            "two all-reduces per layer go over the network", (("cluster.node", f"{per_node} GPUs per node"),),
            f"a `tp` that divides {per_node} keeps them on the scale-up links",
        )  # fmt: skip


def cut_heads(e: Experiment) -> Iterator[Finding]:
    """M407: more tensor-parallel ranks than heads."""
    tp, a = e.parallelism.attention.tp, e.model.attention
    if cuts_heads(e.model, tp):
        yield _warning(
            "M407", f"{tp} tensor-parallel GPUs cut through {a.heads} attention heads", ("parallelism.attention.tp",),
            "the partial scores that several GPUs would have to add up are not exchanged",
            (("model.attention.heads", f"{a.heads} heads"),),
            "time and traffic of attention read low; engines do not split heads",
        )  # fmt: skip


def arithmetic(e: Experiment) -> Iterator[Finding]:
    """M403: weights narrower than the device computes in."""
    counts = parameters(e.model)
    for dtype in dict.fromkeys(weight_dtype(e.model, kind) for kind in KINDS if counts.of(kind)):
        rate = ARITHMETIC.get(dtype)
        if rate is not None and getattr(e.cluster.node.device.compute, rate) is None:
            place = "experts" if e.model.dtype.experts == dtype else "weights"
            yield _warning(
                "M403", f"the device has no {dtype} arithmetic: {dtype} weights are unpacked and computed in bf16",
                (f"model.dtype.{place}",), f"stored in {dtype}", (("cluster.node", f"computes in {_rates(e)}"),),
                "the memory and its traffic are still those of the narrow type",
            )  # fmt: skip


def _rates(e: Experiment) -> str:
    compute = e.cluster.node.device.compute
    return ", ".join(name for name in Compute.__dataclass_fields__ if getattr(compute, name) is not None)


def gathered_tokens(e: Experiment) -> Iterator[Finding]:
    """M404: an all-reduce exchange between attention-DP ranks moves every token to every rank, and its output too."""
    layout = layout_of(e)
    if e.model.moe is not None and e.parallelism.exchange.method == "allreduce" and layout.dp > 1:
        yield _warning(
            "M404", f"`method = allreduce` sends the tokens of all {layout.dp} attention-DP ranks to every rank, and back",
            ("parallelism.exchange.method",), "an all-gather before and an all-reduce after the experts",
            (("parallelism.attention.dp", f"dp = {layout.dp}"),),
            "`allgather_reducescatter` moves half as much on the way back, `alltoall` only what the experts need",
        )  # fmt: skip


def unused_exchange(e: Experiment) -> Iterator[Finding]:
    """M405: exchange fields that this plan never uses."""
    if e.model.moe is None:
        return
    exchange, layout = e.parallelism.exchange, layout_of(e)
    gathered = exchange.method != "alltoall"
    if gathered and not exchange.deduplicate:
        yield _unused("deduplicate", f"`{exchange.method}` moves every token once to every rank")
    if exchange.route == "two_phase" and (gathered or layout.stage <= e.cluster.node.devices):
        why = f"`{exchange.method}` is a collective" if gathered else "the GPUs that exchange tokens share a node"
        yield _unused("route", why)
    quiet = layout.stage == 1 or (gathered and layout.dp == 1)
    for name in ("dispatch", "combine"):
        if quiet and getattr(exchange, name) is not None:
            why = "there is one rank" if layout.stage == 1 else "every rank has all tokens already (dp = 1)"
            yield _unused(name, why)


def unused_network(e: Experiment) -> Iterator[Finding]:
    """M408: how collectives run and what communication slows, where there is nothing of the kind."""
    plan, layout, fabric = e.parallelism, layout_of(e), e.cluster.node.fabric
    if (
        plan.collectives != "fastest"
        and layout.world <= e.cluster.node.devices
        and not isinstance(fabric.topology, Mesh)
    ):
        yield _without_effect("collectives", "all GPUs share a node, and a ring is the only algorithm in it")
    if plan.interference and plan.overlap == "none":
        yield _without_effect("interference", "`overlap = none` computes and communicates in turn")


def _without_effect(name: str, why: str) -> Finding:
    return _warning(
        "M408", f"`{name}` has no effect: {why}", (f"parallelism.{name}",), "has no effect here", (), f"drop `{name}`"
    )


def _unused(name: str, why: str) -> Finding:
    return _warning(
        "M405", f"`{name}` has no effect: {why}", (f"parallelism.exchange.{name}",), "has no effect here", (),
        f"drop `{name}`",
    )  # fmt: skip


def unused_model(e: Experiment) -> Iterator[Finding]:
    """M406: parts of the model or its routing that no layer uses."""
    model, attention = e.model, e.model.attention
    if model.ffn is not None and moe_layers(model) == model.layers:
        yield _warning(
            "M406", "`ffn` has no effect: every layer is a mixture", ("model.ffn",), "no layer is dense",
            (), "drop `ffn`, or set `first_dense` or `every` in `moe`",
        )  # fmt: skip
    if isinstance(attention, Gqa) and attention.full_every and attention.window is None:
        yield _warning(
            "M406", "`full_every` has no effect: there is no window", ("model.attention.full_every",),
            "every layer attends fully", (), "set `window`, or drop `full_every`",
        )  # fmt: skip
    if model.moe is None and e.routing != Routing():
        yield _warning(
            "M406", "`routing` has no effect: the model has no experts", ("routing",), "nothing to route", (),
            "drop `routing`",
        )  # fmt: skip


def _warning(
    code: str, title: str, paths: tuple[str, ...], label: str, causes: tuple[tuple[str, str], ...], advice: str
) -> Finding:
    return Finding(code, title, paths, label, causes, advice, "warning")


PUBLISHED_BAND = 0.05
"""How far the parameters may be from the published ones before something in the model is probably wrong."""


def published_parameters(e: Experiment) -> Iterator[Finding]:
    """M409: the model's dimensions contradict the number of parameters that its author says it has.

    A library model's own figure says nothing of an amended copy, and a test holds the library's to it.
    """
    counts, model = parameters(e.model), e.model
    # Publishers count the tables of tokens in the active parameters, or one of them, or none.
    tables = (0, counts.embedding, counts.embedding + counts.head)
    known = (
        ("published_total", model.published_total, [float(counts.total)]),
        ("published_active", model.published_active, [float(counts.active - table) for table in tables]),
    )
    for field, published, counted in known:
        said = e.spans.get(f"model.{field}")
        from_library = said is not None and said.file.startswith("std/")
        if published is None or from_library or min(abs(n / published - 1) for n in counted) <= PUBLISHED_BAND:
            continue
        yield _warning(
            "M409", f"the model has {counted[0] / 1e9:,.4g} billion parameters, published are {published / 1e9:,.4g}",
            (f"model.{field}", "model"), f"{counted[0] / published - 1:+.0%}", (),
            "one of the dimensions is probably wrong: `moec explain` lists the weights by kind",
        )  # fmt: skip


RULES: tuple[Rule, ...] = (
    idle_devices, spanning_groups, cut_heads, arithmetic, gathered_tokens, unused_exchange, unused_network,
    unused_model, published_parameters,
)  # fmt: skip
