"""Lowering of a mixture-of-experts layer: router, dispatch, grouped experts, combine and the shared expert."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.mixture import shared_width, sum_width, top_k_width
from moec.compiler.ir.graph import AllToAll, Collective, CollectiveKind, Dense, Outer, Relay, Work
from moec.compiler.ir.kernels import ExpertFfn
from moec.compiler.lower.attention import linear, norm, tp_all_reduce
from moec.compiler.lower.context import Context, wire_bytes
from moec.compiler.lower.ffn import mlp
from moec.compiler.lower.lane import Lane
from moec.compiler.lower.program import Follows, Layers, Situation
from moec.compiler.routing.outcome import Drawn, Expected
from moec.compiler.sizes.layout import relay_nodes
from moec.compiler.sizes.parameters import weight_dtype
from moec.dsl.schema import DTYPE_BYTES, Dtype, Moe

Make = Callable[[Situation], Work]

GATHERED: dict[str, tuple[tuple[CollectiveKind, str], tuple[CollectiveKind, str]]] = {
    "allgather_reducescatter": (("all_gather", "stage"), ("reduce_scatter", "stage")),
    "allreduce": (("all_gather", "dp"), ("all_reduce", "stage")),
}
"""What dispatches and what combines when all tokens go everywhere, with the groups."""


def sums_later(c: Context) -> bool:
    """Whether a mixture ends with its exchange and leaves its sum to what follows.

    So it does with two micro-batches: what one computes next, the sum and the next layer's attention, is one stretch that
    hides the other's combine (vLLM's `dbo_yield`s stand at exchanges alone, too). A sum of its own would have the next
    layer wait for the other's combine. With a collective after the sum the stretch ends there in any case.
    """
    moe, overlap = c.model.moe, c.experiment.parallelism.overlap
    return overlap == "two_batch" and c.layout.dp > 1 and moe is not None and not _restores(c, moe)


def mixture(lane: Lane, c: Context, moe: Moe, layers: Layers) -> None:
    """Norm, router, exchange, experts and shared experts, each where the plan's overlap puts it."""
    span = c.experiment.span("model.moe")
    lane.add("ffn_norm", lambda s: norm(c, s, "ffn_norm"), "tokens", span=span)
    router = _router(lane, c, moe)
    hidden_shared = moe.shared > 0 and c.experiment.parallelism.overlap != "none"
    dispatched = _exchange(lane, c, layers, back=False)
    joined: list[int] = []
    if hidden_shared:
        joined.append(_shared(lane, c, moe, after=(router,)))
    lane.add(
        "experts",
        lambda s: _experts(c, moe, s),
        "total",
        after=(dispatched, *joined) if dispatched != router or joined else None,
        span=span,
        layers=layers,
    )
    joined.append(_exchange(lane, c, layers, back=True))
    if moe.shared and not hidden_shared:
        joined = [_shared(lane, c, moe, after=None)]
    if not sums_later(c):
        weigh(lane, c, moe, after=tuple(sorted(set(joined))))
        _restore(lane, c, moe)


def weigh(lane: Lane, c: Context, moe: Moe, *, after: tuple[int, ...] | None = None) -> None:
    """The sum that ends a mixture."""
    lane.add("moe_sum", lambda s: _sum(c, moe, s), "tokens", after=after, span=c.experiment.span("model.moe"))


def _router(lane: Lane, c: Context, moe: Moe) -> int:
    span, tp = c.experiment.span("model.moe"), c.layout.tp
    share, replicas = (1 / tp, 1) if _sliced(c) else (1.0, tp)
    lane.add(
        "router",
        lambda s: linear(
            c, s.load.tokens * share, moe.experts, c.model.hidden, "router", kind="router", replicas=replicas
        ),
        "tokens",
        span=span,
    )
    return lane.add(
        "top_k",
        lambda s: c.elementwise(s.load.tokens * share, top_k_width(moe), "top_k", replicas=replicas),
        "tokens",
        span=span,
    )


def _shared(lane: Lane, c: Context, moe: Moe, *, after: tuple[int, ...] | None) -> int:
    return mlp(
        lane, c, shared_width(moe), moe.gated, prefix="shared_", span=c.experiment.span("model.moe.shared"), after=after
    )


def _experts(c: Context, moe: Moe, s: Situation) -> Work:
    dtype, width = c.model.dtype, moe.intermediate // c.layout.expert_tp

    def kernel(rows: Array, active: Array) -> ExpertFfn:
        weights = weight_dtype(c.model, "routed_experts")
        return ExpertFfn(rows, active, c.model.hidden, width, moe.gated, weights, dtype.activations)

    if s.drawn is not None:
        rows, active = (_cells_to_ranks(c, x[s.layers]) for x in (s.drawn.rows, s.drawn.active))
        return c.compute(kernel(rows.astype(float), active.astype(float)), "experts")
    e = s.expected
    assert e is not None, "a mixture needs routing"
    mean, slow = (
        kernel(r[..., None, None], a[..., None, None]) for r, a in ((e.rows, e.active), (e.rows_max, e.active_max))
    )
    return c.compute(mean, "experts", straggler=slow)


def _sum(c: Context, moe: Moe, s: Situation) -> Work:
    return c.elementwise(s.load.tokens, sum_width(c.model, moe), "moe_sum", replicas=c.layout.tp)


def _exchange(lane: Lane, c: Context, layers: Layers, *, back: bool) -> int:
    """Tokens to the ranks of their experts, or the experts' outputs `back`; returns the op that ends it.

    A gathered exchange needs no dispatch where tensor-parallel ranks hold all tokens anyway.
    """
    plan, act = c.experiment.parallelism.exchange, c.model.dtype.activations
    wire = wire_bytes(c.model.hidden, (plan.combine if back else plan.dispatch) or act)
    if c.layout.stage == 1:
        return lane.last
    make: Make
    follows: Follows = "load"
    if plan.method == "alltoall":
        make = _alltoall(c, wire, back=back)
    elif c.layout.dp == 1:
        return lane.last
    else:
        kind, group = GATHERED[plan.method][back]
        beside = 0.0 if back else _beside(c, plan.dispatch or act)
        make = _gathered(c, kind, group, wire + beside)
    span = c.experiment.span("parallelism.exchange")
    return lane.add(
        "combine" if back else "dispatch", make, follows, stream="comm", span=span, couples=True, layers=layers
    )


def _beside(c: Context, dispatch: Dtype) -> float:
    """Bytes that a gathered token brings along: its router logits, as experts are chosen after the gather; when states
    are quantised they are chosen before it, and 4-byte ids and weights travel (vLLM 0.19, `prepare_finalize`).
    """
    moe, act = c.model.moe, DTYPE_BYTES[c.model.dtype.activations]
    assert moe is not None, "only a mixture exchanges tokens"
    return moe.experts * act if DTYPE_BYTES[dispatch] >= act else moe.top_k * 8.0


def _sliced(c: Context) -> bool:
    """Whether every tensor-parallel rank routes and sends its own slice of its attention-DP rank's tokens.

    vLLM calls it sequence-parallel MoE (`use_sequence_parallel_moe`, 0.19).
    """
    method = c.experiment.parallelism.exchange.method
    return c.layout.tp > 1 and (method == "alltoall" or (method == "allgather_reducescatter" and c.layout.dp > 1))


def _restore(lane: Lane, c: Context, moe: Moe) -> None:
    """Every tensor-parallel rank gets the layer's output for all tokens of its attention-DP rank again.

    After a sliced exchange each holds its slice of the tokens (and a partial sum of the shared expert); without one each
    holds a partial sum; after a global all-reduce only the shared expert is left to sum.
    """
    if not _restores(c, moe):
        return
    span = c.experiment.span("parallelism.exchange")
    if _sliced(c) and not moe.shared:
        lane.add("moe_all_gather", lambda s: _tp_gather(c, s), "tokens", stream="comm", span=span)
    else:
        lane.add("moe_all_reduce", lambda s: tp_all_reduce(c, s), "tokens", stream="comm", span=span)


def _restores(c: Context, moe: Moe) -> bool:
    method = c.experiment.parallelism.exchange.method
    return c.layout.tp > 1 and (method != "allreduce" or c.layout.dp == 1 or moe.shared > 0)


def _tp_gather(c: Context, s: Situation) -> Work:
    width = c.model.hidden * DTYPE_BYTES[c.model.dtype.activations]
    return Collective("all_gather", "tp", np.asarray(s.load.tokens, dtype=float)[..., None, :] * width)


def _gathered(c: Context, kind: CollectiveKind, group: str, wire: float) -> Make:
    """A collective over the tokens of all attention-DP ranks.

    Unequal ranks gather by a broadcast from each, and scatter by a reduction to each, at once (`all_gatherv` in vLLM's
    `pynccl.py`): a link of the ring carries all parts but one, at most all but the smallest. `bytes` are those of equal
    ranks that take as long.
    """
    slices = c.layout.tp if group == "stage" else 1
    members = c.layout.dp * slices

    def make(s: Situation) -> Work:
        tokens = np.asarray(s.totals, dtype=float)[..., None, None]
        if kind != "all_reduce":
            least = np.asarray(s.load.tokens, dtype=float).min(axis=-1)[..., None, None] / slices
            tokens = (tokens - least) * members / (members - 1)
        return Collective(kind, group, tokens * wire)

    return make


def _alltoall(c: Context, wire: float, *, back: bool) -> Make:
    deduplicate, nodes = c.experiment.parallelism.exchange.deduplicate, relay_nodes(c.experiment)

    def make(s: Situation) -> Work:
        if s.drawn is not None:
            pairs = s.drawn.hits if deduplicate else s.drawn.visits
            ranks = _cells_to_ranks(c, pairs[s.layers])[:, None]
            relay = Relay(_entering(c, s, s.drawn, wire, nodes), back) if nodes > 1 else None
            return AllToAll("stage", Dense((np.swapaxes(ranks, -1, -2) if back else ranks) * wire), relay)
        e = s.expected
        assert e is not None, "a mixture needs routing"
        share, straggle = (e.hits, e.hits_straggle) if deduplicate else (e.visits, e.visits_straggle)
        sent = _per_rank(c, s.load.tokens)[..., None, None, :] * wire
        shares = np.broadcast_to(share[..., None, None, None], (*share.shape, 1, 1, c.layout.stage))
        relay = Relay(_expected_entering(c, e, sent, nodes, back), back) if nodes > 1 else None
        return AllToAll("stage", Outer(sent, shares, straggle[..., None], reverse=back), relay)

    return make


def _entering(c: Context, s: Situation, drawn: Drawn, wire: float, nodes: int) -> Dense:
    """What each rank sends into each node: a token once if deduplicated, else once to every rank of every expert."""
    if c.experiment.parallelism.exchange.deduplicate:
        return Dense(drawn.node_hits[s.layers][:, None] * wire)
    visits = drawn.visits[s.layers]
    visits = visits.reshape(len(visits), 1, c.layout.stage, nodes, -1)
    return Dense(visits.sum(axis=-1) * (wire * c.layout.expert_tp))


def _expected_entering(c: Context, e: Expected, sent: Array, nodes: int, back: bool) -> Outer:
    """The same in the mean, and late by the busiest node of a rail."""
    if c.experiment.parallelism.exchange.deduplicate:
        share, straggle = e.node_hits, e.node_hits_straggle
    else:
        share, straggle = e.visits * (c.layout.stage // nodes), e.node_visits_straggle
    shares = np.broadcast_to(share[..., None, None, None], (*share.shape, 1, 1, nodes))
    return Outer(sent, shares, straggle[..., None], reverse=back)


def _per_rank(c: Context, tokens: Array) -> Array:
    """Tokens of every rank of the stage, `[…, stage]`: an attention-DP rank's tokens are sliced over its tp ranks."""
    array = np.asarray(tokens, dtype=float) / c.layout.tp
    shape = (*array.shape[:-1], c.layout.dp)
    return np.repeat(np.broadcast_to(array, shape), c.layout.tp, axis=-1)


def _cells_to_ranks(c: Context, cells: Array) -> Array:
    """`[…, ep]` to `[…, stage]`: every rank of a cell holds a slice of its experts, and needs their rows."""
    return cells if c.layout.expert_tp == 1 else np.repeat(cells, c.layout.expert_tp, axis=-1)
