"""What moec writes passes its own lint, whatever the plan and the encoding."""

import json
from dataclasses import replace

import numpy as np
import pytest

from moec.backends.astra.lint.all_rules import lint
from moec.backends.astra.lint.settings import Settings, beside, subject
from moec.compiler.chakra.writing.write import trace
from moec.compiler.lower import lower
from moec.dsl.schema import Routing, Zipf
from support.cases import DENSE, MIXTURE, SHARED, experiment, program, random_batch

PLANS = {
    "dense tp pp": (DENSE, {"tp": 2, "pp": 2}),
    "wide ep": (MIXTURE, {"dp": 8}),
    "tp and dp": (MIXTURE, {"tp": 2, "dp": 4}),
    "two batches, two stages": (SHARED, {"tp": 2, "dp": 2, "pp": 2, "overlap": "two_batch"}),
}


def written(folder, plan, encoding):
    """A trace set of one iteration with its communicator groups; the prefix."""
    model, parallelism = PLANS[plan]
    e = experiment(model, per_node=8, routing=Routing(Zipf(1.0), "shuffled", 3), **parallelism)
    graph = lower(program(e), random_batch(np.random.default_rng(1), e.parallelism.attention.dp), "drawn")
    traces = trace(graph, encoding=encoding)
    for rank in range(traces.world):
        (folder / f"t.{rank}.et").write_bytes(traces.file(rank))
    (folder / "comm_groups.json").write_text(json.dumps(traces.communicators.json()))
    return str(folder / "t")


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("encoding", ["custom", "sendrecv", "padded"])
def test_our_traces_pass(plan, encoding, tmp_path):
    made = subject(written(tmp_path, plan, encoding), beside(str(tmp_path / "t"), Settings()))
    assert len(made.traces.ranks) == made.world

    assert lint(made) == ()


def test_they_do_not_without_their_groups(tmp_path):
    made = subject(written(tmp_path, "tp and dp", "padded"), beside(str(tmp_path / "t"), Settings()))

    assert {f.rule.name for f in lint(replace(made, groups=None))} == {"unknown-group"}
