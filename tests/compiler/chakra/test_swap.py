"""KV swaps in traces: memory nodes on the ranks that move something, and no node anywhere else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moec.backends.astra.lint.all_rules import lint
from moec.backends.astra.lint.settings import Settings, beside, subject
from moec.compiler.chakra.schema import message_class
from moec.compiler.chakra.writing.write import Traces, trace
from moec.compiler.ir.graph import Block, Graph, Op, Transfer
from moec.compiler.lower import lower
from support.cases import MIXTURE, program
from support.swaps import batch_load, moving, swapping

LOAD, STORE, SEND, COMP = 2, 3, 5, 4
TOKEN = 6 * 2048
"""Bytes of one token's cache in MIXTURE's layers on one rank."""


def nodes(traces: Traces, rank: int) -> list[Any]:
    """The nodes of a rank, through protobuf; the first message is the metadata."""
    file, place, found = traces.file(rank), 0, []
    while place < len(file):
        length, shift = 0, 0
        while True:
            byte = file[place]
            length |= (byte & 0x7F) << shift
            place, shift = place + 1, shift + 7
            if byte < 0x80:
                break
        found.append(file[place : place + length])
        place += length
    return [message_class("Node").FromString(m) for m in found[1:]]


def size(node: Any) -> int:
    return next(a.uint64_val for a in node.attr if a.name == "tensor_size")


def moved(traces: Traces, rank: int) -> list[tuple[str, int, int]]:
    """Name, type and bytes of a rank's memory nodes."""
    return [(n.name, n.type, size(n)) for n in nodes(traces, rank) if n.type in (LOAD, STORE)]


def graph_of(out: list[float], back: list[float], **plan: Any) -> Graph:
    return lower(program(swapping(MIXTURE, **plan)), moving(batch_load(len(out)), out, back))


def test_only_ranks_that_move_blocks_have_memory_nodes() -> None:
    traces = trace(graph_of([0, 160, 16, 0], [0, 0, 32, 48], dp=4))

    store, load = "swap_0.kv_store", "swap_0.kv_load"
    assert [moved(traces, rank) for rank in range(4)] == [
        [],
        [(store, STORE, 160 * TOKEN)],
        [(store, STORE, 16 * TOKEN), (load, LOAD, 32 * TOKEN)],
        [(load, LOAD, 48 * TOKEN)],
    ]
    assert (traces.carried["store"], traces.carried["load"]) == (176 * TOKEN, 80 * TOKEN)
    assert traces.nodes == sum(len(nodes(traces, rank)) for rank in range(4))


def test_the_first_layer_waits_for_the_last_move_of_its_rank() -> None:
    """Embedding, store, load are nodes 1, 2, 3: where one is missing, its successor waits for its predecessor."""
    traces = trace(graph_of([0, 160, 16, 0], [0, 0, 32, 48], dp=4))

    waits = [{n.name: list(n.data_deps) for n in nodes(traces, rank)} for rank in range(4)]
    assert [w["layers_0_5.attn_norm.0"] for w in waits] == [[1], [2], [3], [3]]
    assert [w.get("swap_0.kv_store") for w in waits] == [None, [1], [1], None]
    assert [w.get("swap_0.kv_load") for w in waits] == [None, None, [2], [1]]


def test_without_moves_the_trace_is_that_of_recomputing() -> None:
    e = swapping(MIXTURE, tp=2, dp=2)
    plain = replace(e, serving=replace(e.serving, kv_cache=replace(e.serving.kv_cache, preemption="recompute")))
    still, same = (trace(lower(program(x), batch_load(2))) for x in (e, plain))

    assert [still.file(r) for r in range(4)] == [same.file(r) for r in range(4)]


def test_a_stage_that_moves_blocks_does_not_end_with_a_message() -> None:
    """The simulator would abort (lint: statistics-abort); without moves it ends with its sends."""
    last = [nodes(trace(graph_of([16, 0], back, dp=2, pp=2)), rank)[-1] for back in ([0, 0],) for rank in (0, 1)]
    still = nodes(trace(graph_of([0, 0], [0, 0], dp=2, pp=2)), 0)[-1]

    assert [(n.name, n.type) for n in last] == [("send_0_end.end", COMP)] * 2
    assert still.type == SEND


PLANS = {
    "tp and dp": {"tp": 2, "dp": 2},
    "two stages": {"dp": 2, "pp": 2},
    "two batches, three stages": {"tp": 2, "dp": 2, "pp": 3, "overlap": "two_batch"},
}


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("encoding", ["custom", "sendrecv", "padded"])
@pytest.mark.parametrize("back", [[0, 0], [32, 48]], ids=["out", "both"])
def test_a_trace_set_is_whole_and_clean(plan: str, encoding: str, back: list[float], tmp_path: Path) -> None:
    traces = trace(graph_of([0, 160], back, per_node=16, **PLANS[plan]), encoding=encoding)  # type: ignore[arg-type]
    for rank in range(traces.world):
        found = nodes(traces, rank)
        known = {n.id for n in found}
        assert len(known) == len(found)
        for n in found:
            assert {*n.data_deps, *n.ctrl_deps} <= known
            assert all(d < n.id for d in (*n.data_deps, *n.ctrl_deps))
            assert len(set(n.data_deps)) == len(n.data_deps)
            assert n.type not in (LOAD, STORE) or size(n) > 0
        (tmp_path / f"t.{rank}.et").write_bytes(traces.file(rank))
    (tmp_path / "comm_groups.json").write_text(json.dumps(traces.communicators.json()))

    found = lint(subject(str(tmp_path / "t"), beside(str(tmp_path / "t"), Settings())))
    assert {f.rule.name for f in found} == {"statistics-lost"}


def graph(*blocks: Block) -> Graph:
    return Graph(2, {}, blocks)


def move(ranks: list[float], *deps: int, enters: tuple[int, ...] = ()) -> Op:
    return Op("move", Transfer("load", "host", np.array([ranks])), "memory", deps, enters)


def test_transfers_of_some_ranks_need_an_op_before() -> None:
    alone = graph(Block("swap", 1, (move([5, 0], enters=(0,)),), (0,), 0, 2))

    with pytest.raises(ValueError, match="needs an op before"):
        trace(alone)


def test_transfers_of_some_ranks_need_a_block_of_their_own() -> None:
    again = graph(Block("swap", 2, (move([5, 0], enters=(0,)),), (0,), 0, 2))

    with pytest.raises(ValueError, match="a block of their own"):
        trace(again)


def test_transfers_of_all_ranks_stand_anywhere() -> None:
    """A transfer of every layer, as of experts that are fetched: each waits for the one before."""
    first = Block("first", 1, (move([1, 1], enters=(0,)),), (0,), 0, 2)
    layers = graph(first, Block("layers", 3, (move([5, 7], enters=(0,)),), (0,), 0, 2))

    assert [[list(n.data_deps) for n in nodes(trace(layers), r)] for r in (0, 1)] == [[[], [1], [2], [3]]] * 2
    assert [size(n) for n in nodes(trace(layers), 1)] == [1, 7, 7, 7]
