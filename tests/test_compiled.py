"""What is compiled is of the sources that are here, and does what they do."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from moec.compiled import PACKAGE, state

DRAWS = 60
SCRIPT = """
import json, sys, tempfile
from pathlib import Path
from moec.compiled import state
from support.random_sets import random_set
from support.real_runs import run_ours

found = []
for seed in range(20_000, 20_000 + int(sys.argv[1])):
    drawn = random_set(seed)
    with tempfile.TemporaryDirectory() as place:
        ran = run_ours(drawn.write(Path(place) / "set"), drawn.congestion, drawn.options)
    found.append([ran.how, ran.times])
print(json.dumps([state(), found]))
"""


def test_what_is_compiled_is_not_out_of_date():
    assert state() != "out of date", "install moec again: it was compiled from other sources"


@pytest.mark.slow
def test_compiled_and_plain_python_time_random_sets_alike(tmp_path):
    if state() != "compiled":
        pytest.skip("nothing is compiled here")
    plain = tmp_path / "plain"
    shutil.copytree(PACKAGE, plain / "moec", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))

    ours, theirs = played(PACKAGE.parent), played(plain)

    assert (ours[0], theirs[0]) == ("compiled", "plain Python")
    assert ours[1] == theirs[1]


def played(source):
    """State and results of the same random sets in a process that takes moec from `source`."""
    path = os.pathsep.join(map(str, (source, Path(__file__).parent)))
    command = [sys.executable, "-c", SCRIPT, str(DRAWS)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
