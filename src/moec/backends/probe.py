"""An iteration to ask a backend about before there is a real one."""

from __future__ import annotations

import numpy as np

from moec.compiler.ir.batch import RankBatch
from moec.compiler.ir.graph import Graph
from moec.compiler.lower import Context, lower, program_of

DECODES = 8


def probe(context: Context) -> Graph:
    """A small decode iteration: all the collectives that the experiment will ever run, at some size."""
    rank = RankBatch(np.ones(DECODES, dtype=np.int64), np.full(DECODES, 64, dtype=np.int64))
    return lower(program_of(context), (rank,) * context.layout.dp)
