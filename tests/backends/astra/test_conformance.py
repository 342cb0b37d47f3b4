"""The recorded iterations of the real simulator (astra-sim/conformance) against the estimator, today."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from support.scripts import script

pytestmark = pytest.mark.slow  # whole serving runs beside the record

ABOVE_ONE_PERCENT = "qwen3_235b_ep16"
"""The one plan with tensor-parallel groups beside exchanges of all ranks; astra-sim/conformance/README.md says why."""


@pytest.fixture(scope="module")
def differences() -> dict[tuple[str, ...], float]:
    """Relative difference of the iteration's time, by case."""
    module = script("conformance")
    with module.RECORD.open(newline="", encoding="utf-8") as lines:
        recorded = {tuple(row[c] for c in module.COLUMNS[:4]): row for row in csv.DictReader(lines)}
    found = {}
    for case in module.cases():
        finish = case.estimated()
        found[case.key] = int(finish.max()) / int(recorded.pop(case.key)["iteration_ns"]) - 1
    assert not recorded, "cases.moe no longer has these: run scripts/conformance.py"
    return found


def test_the_record_has_enough_cases_of_every_kind(differences):
    assert len(differences) >= 60
    assert {key[0] for key in differences} == {
        "dense_tp8", "dense_tp4_pp4", "mixtral_tp8", "qwen3_30b_ep8", "qwen3_235b_ep16", "deepseek_v3_ep32",
    }  # fmt: skip


def test_iterations_take_as_long_as_the_simulator_said(differences):
    off = np.abs(list(differences.values()))

    assert np.median(off) == 0
    assert off.max() <= 0.03
    assert (off == 0).mean() >= 0.75


def test_only_the_class_that_the_record_explains_is_off_by_more_than_one_percent(differences):
    assert {key[0] for key, off in differences.items() if abs(off) > 0.01} == {ABOVE_ONE_PERCENT}


def test_without_congestion_every_iteration_is_equal_to_the_nanosecond(differences):
    assert not [key for key, off in differences.items() if key[3] == "unaware" and off]
