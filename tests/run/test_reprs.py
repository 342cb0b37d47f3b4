"""What a notebook shows of a value that somebody evaluates."""

from __future__ import annotations

from pathlib import Path

import moec

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.moe"


def test_values_are_shown_in_a_line():
    experiment, report = moec.load(QUICKSTART)
    wrong = moec.load(QUICKSTART, overrides=["model.layrs=3"])[1]
    session, _ = moec.open_session(experiment)
    results, _ = moec.simulate(session)

    assert repr(report) == "Report(errors=0, warnings=0)"
    assert repr(wrong) == "Report(errors=1, warnings=0: M101)"
    assert repr(session) == "Session('quickstart', requests=220, backend='fast')"
    assert repr(results).startswith("Results(requests=220, iterations=3,650, simulated_s=74.4")
