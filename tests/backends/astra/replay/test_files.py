"""Configuration files in odd forms: the same end as on the real simulator, or a file that moec says it cannot read.

`files.csv`: what runs of ASTRA-sim 518bd51 came to, built with yaml-cpp 0.9. `moec` is `unreadable` where moec refuses the file
as such, which it may only do where the simulator gives no time, or in the forms that docs/trace-timing.md names.
"""

import csv
from pathlib import Path

import pytest

from moec.backends.astra.files.reading import Unreadable
from support.file_cases import cases
from support.real_runs import Outcome, run_ours, run_real

FIGURES = Path(__file__).parent / "files.csv"
CASES = cases()


def recorded():
    with FIGURES.open(newline="") as lines:
        return {row["case"]: row for row in csv.DictReader(lines)}


def outcome(row):
    pairs = (pair.split("/") for pair in row["times"].split())
    return Outcome(row["outcome"], tuple((int(finish), int(exposed)) for finish, exposed in pairs))


def unsigned(found):
    return Outcome(found.how, tuple((finish, exposed % 2**64) for finish, exposed in found.times))


def test_every_case_has_its_figures():
    assert list(recorded()) == list(CASES)


def test_what_moec_cannot_read_gives_no_time_there():
    assert {row["outcome"] for row in recorded().values() if row["moec"] == "unreadable"} <= {"aborts"}


@pytest.mark.parametrize("name", CASES)
def test_a_file_ends_as_recorded(name, tmp_path):
    row = recorded()[name]
    prefix = CASES[name].write(tmp_path / "set")

    if row["moec"] == "unreadable":
        with pytest.raises(Unreadable, match=CASES[name].file.replace(".", r"\.")):
            run_ours(prefix, "unaware", {})
    else:
        assert unsigned(run_ours(prefix, "unaware", {})) == outcome(row)


@pytest.mark.parametrize("name", CASES)
def test_the_record_is_the_real_simulators(name, tmp_path):
    prefix = CASES[name].write(tmp_path / "set")

    assert run_real(prefix, "unaware", {}, 4, timeout=20) == outcome(recorded()[name])
