"""Models, clusters and batches small enough to reason about, built without the language."""

from __future__ import annotations

import numpy as np

from moec.compiler.ir.batch import Batch, RankBatch
from moec.dsl.schema import (
    AttentionPlan,
    Cluster,
    Compute,
    Device,
    Exchange,
    Experiment,
    ExpertPlan,
    Ffn,
    Gqa,
    Link,
    Mla,
    Model,
    ModelDtypes,
    Moe,
    Network,
    Node,
    Overhead,
    Parallelism,
    Routing,
    Serving,
)

GPU = Device(
    memory=80e9, bandwidth=3.35e12, compute=Compute(bf16=989e12, fp8=1979e12), link=Link(450e9, 0.8e-6, 0.7, 4.4e-6)
)
NIC = Link(50e9, 2e-6, 0.9, 5e-6)

DENSE = Model(4, 1024, 32000, Gqa(16, 8, 64), Ffn(4096))
MIXTURE = Model(6, 1024, 32000, Gqa(16, 8, 64, qk_norm=True), None, Moe(16, 4, 512))
SHARED = Model(5, 1024, 32000, Mla(16, 256, 64, 32, 64, 512), Ffn(4096), Moe(32, 4, 512, shared=1, first_dense=2))
WINDOWED = Model(6, 1024, 32000, Gqa(16, 8, 64, 128, 2), None, Moe(16, 4, 512), ModelDtypes(experts="mxfp4"))
INTERLEAVED = Model(8, 1024, 32000, Gqa(16, 8, 64), Ffn(4096), Moe(16, 1, 1024, shared=1, every=2))
MODELS = {"dense": DENSE, "mixture": MIXTURE, "shared": SHARED, "windowed": WINDOWED, "interleaved": INTERLEAVED}


def experiment(
    model: Model = MIXTURE,
    *,
    tp: int = 1,
    dp: int = 1,
    pp: int = 1,
    overlap: str = "none",
    method: str = "alltoall",
    experts: ExpertPlan | None = None,
    routing: Routing | None = None,
    device: Device = GPU,
    per_node: int = 4,
    largest_graph: int | None = 0,
    **exchange: object,
) -> Experiment:
    """An experiment on nodes of `per_node` devices, as many as it needs; batches are not padded unless asked for."""
    nodes = max(1, -(-tp * dp * pp // per_node))
    return Experiment(
        model=model,
        cluster=Cluster(nodes, Node(device, per_node), Network(NIC)),
        parallelism=Parallelism(
            AttentionPlan(tp, dp),
            experts or ExpertPlan(),
            pp,
            Exchange(method=method, **exchange),  # type: ignore[arg-type]
            overlap,  # type: ignore[arg-type]
        ),
        routing=routing or Routing(),
        serving=Serving(overhead=Overhead(largest_graph=largest_graph)),
    )


def random_batch(rng: np.random.Generator, dp: int, *, prompts: float = 0.3) -> Batch:
    """Up to eight requests a rank, a share of them prompt chunks; an idle rank gets the dummy token of lockstep."""
    ranks = []
    for _ in range(dp):
        n = int(rng.integers(0, 9))
        new = np.where(rng.random(n) < prompts, rng.integers(2, 300, n), 1)
        ranks.append(RankBatch(new.astype(np.int64), rng.integers(1, 3000, n)))
    return tuple(r if len(r.new) else RankBatch(np.ones(1, np.int64), np.zeros(1, np.int64)) for r in ranks)


def program(e: Experiment, *, folded: bool = False):  # type: ignore[no-untyped-def]
    """The program of `e` with roofline costs and its own routing law."""
    from moec.compiler.costs.roofline import Roofline
    from moec.compiler.lower import context_of, program_of
    from moec.compiler.routing.law import routing_law

    law, diagnostics = routing_law(e)
    assert not diagnostics
    return program_of(context_of(e, Roofline(), law, folded=folded))
