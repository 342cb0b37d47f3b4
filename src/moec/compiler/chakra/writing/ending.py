"""How the simulator wants ranks with memory nodes to end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from moec.compiler.ir.estimate import Estimate
from moec.compiler.ir.graph import Block, Compute, Graph, Op, SendRecv, Transfer
from moec.compiler.ir.kernels import Elementwise


def ended(graph: Graph) -> Graph:
    """`graph` with a kernel of 1 ns after the sends that end stages with transfers.

    When a rank ends, the simulator works out statistics, which throws if it had memory nodes. That is caught when a
    kernel ends last (`Sys::call_events`), and aborts the run when a message does (lint: `statistics-abort`).
    """
    last = {block.first_rank: i for i, block in enumerate(graph.blocks)}
    moving = {block.first_rank for block in graph.blocks if any(isinstance(op.work, Transfer) for op in block.ops)}
    blocks: list[Block] = []
    for i, block in enumerate(graph.blocks):
        blocks.append(block)
        ends = i == last[block.first_rank] and any(isinstance(op.work, SendRecv) for op in block.ops)
        if ends and block.first_rank in moving:
            blocks.append(_kernel(block, graph.lanes))
    return graph if len(blocks) == len(graph.blocks) else replace(graph, blocks=tuple(blocks))


def _kernel(after: Block, lanes: int) -> Block:
    one = np.ones((1, 1), dtype=np.int64)
    work = Compute(Elementwise(one), Estimate(one, one, "modelled"))
    op = Op("end", work, "compute", enters=tuple(range(lanes)))
    return Block(f"{after.name}_end", 1, (op,), (0,) * lanes, after.first_rank, after.ranks)
