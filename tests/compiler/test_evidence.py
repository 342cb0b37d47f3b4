"""Evidence is counted once per kernel that ran, whatever the size of the pieces in which iterations are reported."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from moec.compiler.costs.roofline import Roofline
from moec.compiler.evidence import CHUNK, EvidenceTally, Excess, OpEvidence, extrapolations, worst
from moec.compiler.ir.batch import Load, load_of
from moec.compiler.ir.estimate import EXTRAPOLATED, LEVELS, MEASURED, MIXED, MODELLED, Beyond, Estimate, Evidence
from moec.compiler.ir.kernels import Gemm, Kernel
from moec.compiler.lower import context_of, program_of
from moec.compiler.routing.law import routing_law
from moec.dsl.schema import Device, Experiment
from support.cases import MODELS, experiment, random_batch

LIMIT = 6.0


@dataclass(frozen=True, slots=True)
class Graded:
    """The roofline, of which products of up to LIMIT rows are said to be measured and others extrapolated."""

    def estimate(self, kernel: Kernel, device: Device, role: str = "") -> Estimate:
        estimate = Roofline().estimate(kernel, device, role)
        if not isinstance(kernel, Gemm):
            return estimate
        rows = np.asarray(kernel.m, dtype=float)
        level = np.where(rows > LIMIT, EXTRAPOLATED, MEASURED)
        beyond = (Beyond("rows", LIMIT, rows), Beyond("rows", 2.0, rows, below=True))
        return Estimate(estimate.time_ns, estimate.bound, MIXED, lambda: Evidence(level, beyond))


def tally(e: Experiment) -> EvidenceTally:
    law, _ = routing_law(e)
    return EvidenceTally(program_of(context_of(e, Graded(), law, folded=True)))


def decodes(dp: int, *steps: list[int]) -> Load:
    """`[steps, dp]` of decode tokens alone, with contexts of 100."""
    n = np.array(steps, dtype=float)
    none = np.zeros((1, dp))
    return Load(none, none, none, none, n, 100 * n, 100 * (n > 0), none, none, 100 * n)


def test_kernels_are_iterations_times_ranks_times_layers() -> None:
    counted = tally(experiment(MODELS["dense"], dp=2))
    counted.add(decodes(2, [3, 8], [4, 6]), 2)
    found = counted.result()
    assert found["qkv_proj"].counts == {"measured": 3 * 4, "extrapolated": 1 * 4}
    assert found["lm_head"].counts == {"measured": 3, "extrapolated": 1}
    assert found["attn_norm"].counts == {"modelled": 4 * 4}
    assert found["qkv_proj"].beyond == (Excess("rows", LIMIT, 8.0, 4),)
    assert found["qkv_proj"].level == "measured"


def test_a_rank_without_work_has_no_kernel() -> None:
    counted = tally(experiment(MODELS["dense"], dp=2))
    counted.add(decodes(2, [3, 0]), 1)
    assert counted.result()["qkv_proj"].counts == {"measured": 4}


def test_both_sides_of_the_measurements_have_a_bound() -> None:
    counted = tally(experiment(MODELS["dense"]))
    counted.add(decodes(1, [1], [9], [12]), 3)
    assert counted.result()["lm_head"].beyond == (
        Excess("rows", LIMIT, 12.0, 2),
        Excess("rows", 2.0, 1.0, 1, below=True),
    )


def test_only_the_steps_that_ran_count() -> None:
    counted = tally(experiment(MODELS["dense"]))
    counted.add(decodes(1, [1], [9], [12]), 1)
    assert counted.result()["lm_head"].counts == {"measured": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "overlap"),
    [*((name, "none") for name in MODELS), *((name, "two_batch") for name in MODELS if MODELS[name].moe is not None)],
)
def test_the_pieces_do_not_matter(name: str, overlap: str) -> None:
    rng, e = np.random.default_rng(7), experiment(MODELS[name], dp=2, overlap=overlap)
    loads = [load_of(random_batch(rng, 2)).map(lambda x: np.broadcast_to(x, (2,))[None]) for _ in range(CHUNK + 5)]
    together, apart = tally(e), tally(e)
    for load in loads:
        together.add(load, 1)
    for load in loads:
        apart.add(load, 1)
        if rng.random() < 0.01:
            apart.result()
    assert together.result() == apart.result()
    assert set(together.result()["router" if MODELS[name].moe else "qkv_proj"].counts) <= {"measured", "extrapolated"}


def test_a_load_that_stands_for_all_steps_counts_for_each() -> None:
    counted = tally(experiment(MODELS["mixture"]))
    counted.add(replace(decodes(1, [3]), decode_kv=np.arange(300.0, 310.0)[:, None]), 10)
    assert counted.result()["qkv_proj"].counts == {"measured": 60}


def test_a_warning_says_what_was_passed_by_how_much_and_how_often() -> None:
    evidence = {
        "a": OpEvidence({"measured": 90, "extrapolated": 10}, (Excess("tokens", 2048.0, 5000.0, 10),)),
        "b": OpEvidence({"extrapolated": 4}, (Excess("tokens", 2048.0, 4000.0, 4),)),
        "c": OpEvidence({"interpolated": 5, "extrapolated": 1}, (Excess("experts", 8.0, 2.5, 1, below=True),)),
        "d": OpEvidence({"extrapolated": 2}),
        "e": OpEvidence({"modelled": 7}),
    }
    (warning,) = extrapolations(evidence, None)
    assert (warning.code, warning.severity) == ("M451", "warning")
    assert warning.title == (
        "times were extrapolated: tokens up to 5,000, measured up to 2,048 (`a`, `b`: 14 of 104 kernels); "
        "experts down to 2, measured down to 8 (`c`: 1 of 6 kernels); beside what was measured (`d`)"
    )
    assert extrapolations({"e": evidence["e"]}, None) == []


def test_the_least_founded_level_where_there_is_work() -> None:
    level, work = np.array([MEASURED, MODELLED]), np.array([True, False])
    assert worst(level, work) == "measured"
    assert worst(level, ~work) == "modelled"
    assert worst(np.asarray(EXTRAPOLATED), work) == LEVELS[EXTRAPOLATED]
