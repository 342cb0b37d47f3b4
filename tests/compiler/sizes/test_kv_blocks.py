"""KV swaps in the graph: bytes by hand, time by bytes and link, and nothing at all where nothing moves."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from moec.backends.fast.backend import FastBackend
from moec.compiler.ir.batch import Load
from moec.compiler.ir.graph import Graph, Transfer
from moec.compiler.ir.verify import verify
from moec.compiler.lower import lower
from moec.compiler.sizes.kv_blocks import host_blocks, kv_widths, kv_widths_in_all
from moec.dsl.schema import Host, KvCache
from support.cases import DENSE, MIXTURE, MODELS, SHARED, WINDOWED, program
from support.swaps import LINK, batch_load, moving, swapping


def transfers(graph: Graph) -> dict[str, Transfer]:
    return {f"{b.name}.{op.name}": op.work for b in graph.blocks for op in b.ops if isinstance(op.work, Transfer)}


def test_widths_are_those_of_all_layers_of_a_stage() -> None:
    """Two bytes of a key and a value in 8 heads of 64 over two ranks; of MLA the latent of 288 on each of them."""
    assert kv_widths(swapping(MIXTURE, tp=2)) == ((6 * 2 * 4 * 64 * 2, 0),)
    assert kv_widths(swapping(DENSE, pp=2)) == ((2 * 2048, 0), (2 * 2048, 0))
    assert kv_widths(swapping(SHARED, tp=2)) == ((5 * 288 * 2, 0),)
    assert kv_widths(swapping(WINDOWED)) == ((3 * 2048, 3 * 2048),)
    assert kv_widths_in_all(swapping(SHARED, tp=2)) == (2 * 5 * 288 * 2, 0)
    assert kv_widths_in_all(swapping(DENSE, pp=2)) == (4 * 2048, 0)


def test_host_memory_is_shared_evenly_by_the_devices_of_a_node() -> None:
    """1 GB for 4 devices, blocks of 16 tokens of 6 layers of 2,048 bytes."""
    e = swapping(MIXTURE)
    assert host_blocks(e) is None
    with_host = replace(e, cluster=replace(e.cluster, node=replace(e.cluster.node, host=Host(1e9, 1e11))))
    assert host_blocks(with_host) == 250_000_000 // (16 * 6 * 2048)


def test_the_first_layer_waits_for_the_blocks() -> None:
    e = swapping(MIXTURE, tp=2, dp=2)
    graph = lower(program(e), moving(batch_load(2), [0, 160], [32, 0]))

    assert [block.name for block in graph.blocks] == ["embedding", "swap_0", "layers_0_5", "head"]
    moved = transfers(graph)
    store, load = moved["swap_0.kv_store"], moved["swap_0.kv_load"]
    assert (store.direction, store.home, load.direction) == ("store", "host", "load")
    assert store.bytes.tolist() == [[0, 0, 160 * 6144, 160 * 6144]]
    assert load.bytes.tolist() == [[32 * 6144, 32 * 6144, 0, 0]]
    assert {op.stream for op in graph.blocks[1].ops} == {"memory"}
    assert not verify(graph)


def test_windowed_layers_move_their_window() -> None:
    graph = lower(program(swapping(WINDOWED)), moving(batch_load(1), [400], [0], window=0.36))

    assert transfers(graph)["swap_0.kv_store"].bytes.tolist() == [[400 * 6144 + 144 * 6144]]


def test_every_stage_moves_its_own_layers() -> None:
    graph = lower(program(swapping(MIXTURE, pp=3)), moving(batch_load(1), [16], [0]))

    sizes = {name: work.bytes.tolist() for name, work in transfers(graph).items()}
    assert sizes == {f"swap_{stage}.kv_store": [[16 * 2 * 2048]] for stage in range(3)}
    assert not verify(graph)


@pytest.mark.parametrize("overlap", ["none", "two_batch"])
def test_nothing_to_move_leaves_no_trace_in_the_graph(overlap: str) -> None:
    e = swapping(MIXTURE, dp=2, overlap=overlap)
    plain = replace(e, serving=replace(e.serving, kv_cache=KvCache()))
    graph, same = (lower(program(x), batch_load(2)) for x in (e, plain))

    assert [(b.name, b.exits, len(b.ops)) for b in graph.blocks] == [(b.name, b.exits, len(b.ops)) for b in same.blocks]
    assert int(FastBackend.of(e).run(graph).makespan_ns) == int(FastBackend.of(plain).run(same).makespan_ns)


def test_blocks_take_their_bytes_over_the_link() -> None:
    """One rank, nothing to hide behind: the iteration is longer by 1,000 and by 320 tokens of 12,288 bytes over the link."""
    e, load = swapping(MIXTURE), batch_load(1)
    built, backend = program(e), FastBackend.of(e)
    still, moved = (int(backend.run(lower(built, x)).makespan_ns) for x in (load, moving(load, [1000], [320])))

    assert moved - still == round(1000 * 12_288 / LINK * 1e9) + round(320 * 12_288 / LINK * 1e9)


PLANS = [{"tp": 2, "dp": 2}, {"dp": 3}, {"tp": 2}, {"tp": 2, "dp": 2, "pp": 2}]
MOVES = [([0, 0, 0], [0, 0, 0]), ([0, 1600, 0], [0, 0, 0]), ([16, 0, 0], [0, 32, 4800]), ([160, 48, 16], [320, 16, 48])]


def has_meaning(model: str, plan: dict[str, int], overlap: str, interference: float) -> bool:
    """Whether the model has the experts that the plan spreads, and something overlaps where that matters."""
    moe = MODELS[model].moe
    if overlap == "none":
        overlaps = not interference
    else:
        overlaps = moe is not None
    return overlaps and (moe is None or moe.experts % (plan.get("tp", 1) * plan.get("dp", 1)) == 0)


CASES = product(["dense", "mixture", "shared", "windowed"], PLANS, ["none", "two_batch"], [0.0, 0.3])


@pytest.mark.slow
@pytest.mark.parametrize(("model", "plan", "overlap", "interference"), [c for c in CASES if has_meaning(*c)], ids=str)
def test_tables_equal_full_evaluation(model: str, plan: dict[str, int], overlap: str, interference: float) -> None:
    e = swapping(MODELS[model], **plan, overlap=overlap)
    e = replace(e, parallelism=replace(e.parallelism, interference=interference))
    built, backend, dp = program(e), FastBackend.of(e), plan.get("dp", 1)
    loads = [moving(batch_load(dp, i), out[:dp], back[:dp], window=0.5) for i, (out, back) in enumerate(MOVES)]
    full = [int(backend.run(lower(built, load)).makespan_ns) for load in loads]

    steps = backend.steps(built.context)
    table = Load(*(np.stack([np.broadcast_to(getattr(x, f), (dp,)) for x in loads]) for f in Load.__slots__))

    assert steps.times(table).latency_ns.tolist() == full
    one_by_one = [steps.times(load.map(lambda x: x[None])).latency_ns.tolist() for load in loads]
    assert one_by_one == [[time] for time in full]
