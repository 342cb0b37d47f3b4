"""Runs that are interrupted, or whose simulator is killed, or whose disk is full: a word, a code, and nothing left behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from moec.backends.astra.simulator import runner
from moec.report import output_folder as output
from support.simulators import fake

pytestmark = pytest.mark.slow  # waits for processes

SLOW = """
open(os.environ["STARTED"], "w").close()
print("at work", flush=True)
time.sleep(60)
"""
FINISHES = """
import glob
finish(*range(len(glob.glob("moec.*.et"))))
leave()
"""
MOEC = [sys.executable, "-c", "from moec.cli.entry import main; main()"]


@pytest.fixture
def work(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`tiny.moe` is there; temporary files go to `temporary`, which is empty."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("STARTED", str(tmp_path / "started"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    return tmp_path


def simulator(work: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(work / "bin", body)
    monkeypatch.setenv("MOEC_ASTRA_SIM", str(work / "bin"))


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 128 + signal.SIGTERM, "terminated")],
)
@pytest.mark.parametrize("what", ["tiny.moe", "traces"])
def test_an_interrupted_run_takes_the_simulator_with_it(work, moec, monkeypatch, number, code, word, what):
    assert moec("compile", "tiny.moe", "-o", "traces", "--iterations", "0").code == 0
    simulator(work, SLOW, monkeypatch)
    command = [*MOEC, "simulate", what, "--backend", "astra_sim", "-o", "out"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 30
    while not (work / "started").exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)

    process.send_signal(number)
    out, err = process.communicate(timeout=20)

    assert (process.returncode, out) == (code, "")
    assert err.splitlines()[-1] == f"{word}: nothing was written"
    assert not (work / "out").exists()
    assert list((work / "temporary").iterdir()) == []
    assert sorted(p.name for p in work.iterdir()) == ["bin", "started", "temporary", "tiny.moe", "traces"]


def test_a_killed_simulator_is_an_outside_tool_that_failed(work, moec, monkeypatch):
    simulator(work, "os.kill(os.getpid(), signal.SIGKILL)", monkeypatch)
    ran = moec("simulate", "tiny.moe", "--backend", "astra_sim", "-o", "out")

    assert ran.code == 3
    assert "error[M603]: the simulator was ended by SIGKILL" in ran.err
    assert "waits for a message" not in ran.err
    assert not (work / "out").exists()


def test_a_full_disk_is_named_when_the_simulator_could_not_write(work, moec, monkeypatch):
    simulator(work, "leave()", monkeypatch)
    monkeypatch.setattr(runner, "free_bytes", lambda place: 4096)
    ran = moec("simulate", "tiny.moe", "--backend", "astra_sim")

    assert ran.code == 3
    assert "error[M606]: the disk under the simulator's working folder is full" in ran.err


def test_a_run_that_finished_is_believed_however_full_the_disk(work, moec, monkeypatch):
    simulator(work, FINISHES, monkeypatch)
    monkeypatch.setattr(runner, "free_bytes", lambda place: 0)

    assert moec("simulate", "tiny.moe", "--backend", "astra_sim").code == 0


@pytest.mark.parametrize("verb", [("simulate", "tiny.moe"), ("compile", "tiny.moe", "--iterations", "0")])
def test_results_that_do_not_fit_are_not_left_in_part(work, moec, monkeypatch, verb):
    def full(folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(output, "_open_up", full)  # everything is written by then
    ran = moec(*verb, "-o", "out")

    assert ran.code == 3
    assert "error[M608]: writing `out` broke off: no space left on device" in ran.err
    assert sorted(p.name for p in work.iterdir()) == ["temporary", "tiny.moe"]
