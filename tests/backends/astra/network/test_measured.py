"""Every measured run of the real simulator: its nanoseconds, or what it did instead."""

import pytest

from moec.backends.astra.network import Refusal
from support.astra_runs import estimate, measured_runs


@pytest.fixture(scope="module")
def runs():
    return [(run, estimate(run)) for run in measured_runs()]


def test_all_finished_runs_are_equal_to_the_nanosecond(runs):
    finished = [(run, time) for run, time in runs if run.time_ns is not None]
    other = [(run.label, run.bytes, run.time_ns, time) for run, time in finished if time != run.time_ns]

    assert len(finished) == 3004
    assert not other


def test_runs_that_hung_aborted_or_crashed_are_refused_with_the_same_exit_status(runs):
    failed = [(run, time) for run, time in runs if run.time_ns is None]
    other = [(run.label, run.status, time) for run, time in failed if not _refused_as(run.status, time)]

    assert len(failed) == 112
    assert not other


def _refused_as(status, time):
    return isinstance(time, Refusal) and time.status == status
