"""Lint against the user's own simulator: what it calls sound runs, what fails it calls broken. Skipped without one.

MOEC_LINT_DRAWS sets the number of random sets (40 when absent), MOEC_LINT_SEED where they start.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from moec.backends.astra.lint.all_rules import RULES, lint
from moec.backends.astra.lint.settings import Settings, beside, subject
from moec.backends.astra.simulator.run_folder import TraceFolder
from moec.backends.astra.simulator.runner import run
from support.broken_traces import BINARY, BROKEN
from support.random_traces import MUTATIONS, random_set
from support.simulators import real

DRAWS, SEED = int(os.environ.get("MOEC_LINT_DRAWS", "40")), int(os.environ.get("MOEC_LINT_SEED", "0"))
DISAGREE = 1 / 200
"""Share of random sets on which lint may be wrong: where timing decides the order of issue it plays a likely one."""
FALSIFIED = {
    "cycle", "duplicate-id", "bad-bytes", "no-scheduling-policy", "fewer-algorithms-than-dimensions", "custom-cached",
}  # fmt: skip
"""Errors that the simulator survives: it reports a time, and the time is wrong."""
PERHAPS = FALSIFIED | {"collective-mismatch", "invalid-node"}
"""With those that it survives at times: unlike collectives may mix, and nodes behind an INVALID one may be freed."""
BEFORE = {"read-only", "unreadable", "missing-rank"}
"""What moec refuses before it starts the simulator; root may do all of it."""
ERRORS = [rule for rule in BROKEN if RULES[rule].severity == "error" and rule not in FALSIFIED | BEFORE]
SURVIVED = [rule for rule in BROKEN if rule not in ERRORS and rule not in BEFORE]


def runs(prefix: str, congestion: str, time_limit_s: float = 20.0) -> str:
    """What the simulator had against the set; empty when every rank finished."""
    made = subject(prefix, beside(prefix, Settings()))
    folder = TraceFolder(Path(prefix).parent, Path(prefix).name, made.world)
    done, found = run(folder, real(congestion), time_limit_s=time_limit_s)
    return "" if done is not None else found[0].title


def errors(prefix: str, congestion: str) -> set[str]:
    found = lint(subject(prefix, beside(prefix, Settings(binary=congestion))))  # type: ignore[arg-type]
    return {f.rule.name for f in found if f.rule.severity == "error"}


@pytest.mark.parametrize("rule", ERRORS)
def test_what_is_called_an_error_does_not_run(rule: str, tmp_path: Path):
    limit = 2.0 if rule == "gather-below-splits" else 20.0  # it loops for ever

    assert runs(BROKEN[rule](tmp_path), BINARY.get(rule, "unaware"), limit)


@pytest.mark.parametrize("rule", SURVIVED)
def test_what_is_called_a_warning_or_falsified_runs(rule: str, tmp_path: Path):
    assert runs(BROKEN[rule](tmp_path), BINARY.get(rule, "unaware")) == ""


def test_random_sets_are_judged_as_the_simulator_judges_them(tmp_path: Path):
    wrong, seen = [], set()
    for seed in range(SEED, SEED + DRAWS):
        congestion = ("aware", "unaware")[seed % 2]
        prefix, _, broken = random_set(tmp_path / str(seed), seed)
        seen.add(broken)
        failed, found = runs(prefix, congestion), errors(prefix, congestion)
        if (failed and not found) or (not failed and found - PERHAPS):
            wrong.append((seed, broken, failed, sorted(found)))

    assert len(wrong) <= DRAWS * DISAGREE, wrong
    assert "" in seen and (DRAWS < 200 or seen == {"", *MUTATIONS})
