"""A process of the simulator: a process group of its own, output into a file, and no survivors however it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

OUTPUT_LIMIT = 256 * 2**20
"""Bytes of output after which a run is taken for gone mad: 2048 ranks print about 3 MB."""
LOOK_EVERY_S, GRACE_S = 0.1, 1.0
END_OF_OUTPUT = 64 * 2**10


@dataclass(frozen=True, slots=True)
class Ended:
    """`how` a process ended. `code`: its exit code, negative for a signal; `text`: all that it printed, both streams."""

    how: Literal["itself", "time_limit", "output_limit", "cancelled"]
    code: int
    text: str
    wall_s: float


def execute(
    command: Sequence[str], place: Path, *, time_limit_s: float, cancel: threading.Event | None = None
) -> Ended:
    """Runs `command` in the folder `place` until it ends or has to. Raises OSError when it cannot be started.

    On any way out, an exception included, its whole process group is gone.
    """
    start = time.monotonic()
    path = place / "output.txt"
    with path.open("wb") as stream:
        process = subprocess.Popen(
            command,
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            how = _watch(process, path, start + time_limit_s, cancel)
        finally:
            _end(process)
    return Ended(how, process.returncode, _text(path, whole=how == "itself"), time.monotonic() - start)


def _watch(
    process: subprocess.Popen[bytes], path: Path, until: float, cancel: threading.Event | None
) -> Literal["itself", "time_limit", "output_limit", "cancelled"]:
    while True:
        try:
            process.wait(timeout=max(0.0, min(LOOK_EVERY_S, until - time.monotonic())))
            return "itself"
        except subprocess.TimeoutExpired:
            if time.monotonic() >= until:
                return "time_limit"
            if cancel is not None and cancel.is_set():
                return "cancelled"
            if path.stat().st_size > OUTPUT_LIMIT:
                return "output_limit"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Asks the group to end, then makes it. A process that has ended may have left children."""
    if process.poll() is None:
        _signal_group(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE_S)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _text(path: Path, *, whole: bool) -> str:
    with path.open("rb") as stream:
        if not whole:
            stream.seek(max(0, path.stat().st_size - END_OF_OUTPUT))
        return stream.read().decode(errors="replace")
