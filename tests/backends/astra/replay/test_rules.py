"""Every rule of the workload layer that decides a time, by a small trace set whose figures the real simulator gave.

`rules.csv`: finish and exposed nanoseconds of every rank, or how it ended, from runs of ASTRA-sim 518bd51.
"""

import csv
from pathlib import Path

import pytest

from support.bus_cases import BUS_CASES
from support.odd_cases import ODD_CASES
from support.real_runs import Outcome, run_ours, run_real
from support.replay_cases import CASES as PLAIN_CASES

FIGURES = Path(__file__).parent / "rules.csv"
CASES = PLAIN_CASES | BUS_CASES | ODD_CASES


def recorded():
    with FIGURES.open(newline="") as lines:
        return {row["case"]: Outcome(row["outcome"], times_of(row["times"])) for row in csv.DictReader(lines)}


def times_of(text):
    pairs = (pair.split("/") for pair in text.split())
    return tuple((int(finish), int(exposed)) for finish, exposed in pairs)


def unsigned(outcome):
    """Exposed time as the simulator prints it: below 0 it wraps round."""
    return Outcome(outcome.how, tuple((finish, exposed % 2**64) for finish, exposed in outcome.times))


def test_every_case_has_its_figures():
    assert list(recorded()) == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_rule_gives_the_recorded_figures(name, tmp_path):
    case = CASES[name]()
    prefix = case.write(tmp_path / "set")

    assert unsigned(run_ours(prefix, case.congestion, case.options)) == recorded()[name]


@pytest.mark.parametrize("name", CASES)
def test_the_figures_are_the_real_simulators(name, tmp_path):
    case = CASES[name]()
    prefix = case.write(tmp_path / "set")

    assert (
        run_real(prefix, case.congestion, case.options, 4 if name == "rank-without-file" else len(case.ranks))
        == (recorded()[name])
    )
