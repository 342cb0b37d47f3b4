"""Runs of the simulator on trace folders: each in a private folder, several at once, nothing believed."""

from __future__ import annotations

import os
import resource
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from moec.backends.astra.simulator.failure import BROKE, NO_ROOM, TOO_LONG, quoting
from moec.backends.astra.simulator.process import Ended, execute
from moec.backends.astra.simulator.run_folder import TraceFolder
from moec.backends.astra.simulator.verdict import AstraRun, Names, verdict
from moec.diagnostics import Diagnostic

LOG_FOLDER = "log"
SPARE_FILES = 64
"""Files that are open besides traces: libraries, logs, configurations."""
WORKERS = 2
LEAST_ROOM = 64 * 2**10
"""Bytes free under which a failed run is put down to the disk: logs of a few ranks take as much."""

Outcome = tuple[AstraRun | None, list[Diagnostic]]


def run(
    folder: TraceFolder,
    binary: Path,
    *,
    time_limit_s: float = 600.0,
    names: Names | None = None,
    cancel: threading.Event | None = None,
) -> Outcome:
    """Runs `binary` on `folder`; a run, or one error that says what failed and quotes the simulator.

    `names` gives nodes their names in errors. `cancel` ends the run early, as an error. The folder is only read.
    """
    found = folder.check() or _descriptors(folder)
    if found:
        return None, found
    try:
        with _private(folder) as place:
            command = [str(binary.absolute()), *folder.arguments(), f"--logging-folder={LOG_FOLDER}"]
            ended = execute(command, place, time_limit_s=time_limit_s, cancel=cancel)
            left = free_bytes(place)
    except OSError as error:
        return None, [_machine(error, binary)]
    done, found = _outcome(ended, folder, time_limit_s, names)
    if done is None and left < LEAST_ROOM and ended.how == "itself":
        return None, [_no_room(found[0], ended)]
    return done, found


def run_many(
    folders: Sequence[TraceFolder],
    binary: Path,
    *,
    time_limit_s: float = 600.0,
    names: Sequence[Names | None] | None = None,
    workers: int = WORKERS,
) -> list[Outcome]:
    """`run` on each folder, `workers` at a time, in the order of `folders`; an interruption ends all of them."""
    cancel = threading.Event()
    naming = names or [None] * len(folders)
    with ThreadPoolExecutor(workers) as pool:
        try:
            runs = [
                pool.submit(run, folder, binary, time_limit_s=time_limit_s, names=name, cancel=cancel)
                for folder, name in zip(folders, naming, strict=True)
            ]
            return [one.result() for one in runs]
        except BaseException:
            cancel.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def command_line(folder: TraceFolder, binary: str = "AstraSim_Analytical_Congestion_Aware") -> str:
    """What to type inside the folder."""
    return " ".join([binary, *folder.arguments(), f"--logging-folder={LOG_FOLDER}"])


@contextmanager
def _private(folder: TraceFolder) -> Iterator[Path]:
    """A folder of the run's own with links to everything in `folder`, gone afterwards.

    So relative paths in configurations hold, logs of several runs do not mix, and no path holds the word `empty`,
    which the simulator takes for the absence of groups.
    """
    with tempfile.TemporaryDirectory(prefix="moec-astra-sim-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        with os.scandir(folder.path.resolve()) as entries:
            for entry in entries:
                if entry.name not in (LOG_FOLDER, "output.txt"):
                    (place / entry.name).symlink_to(entry.path)
        yield place


def _descriptors(folder: TraceFolder) -> list[Diagnostic]:
    """Raises this process's soft limit of open files, which the simulator inherits, if it is too low.

    The simulator keeps a file open per rank, and another per rank for every custom set it has begun.
    """
    needed = folder.ranks * (1 + folder.custom_sets()) + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return []
    for limits in ((needed, hard), (needed, needed)):  # root may raise the hard limit as well
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        except (ValueError, OSError):
            continue
        return []
    title = f"the simulator needs {needed} open files for {folder.ranks} ranks, and the limit is {hard}"
    return [Diagnostic(NO_ROOM, title, help="raise it (`ulimit -Hn`), or use `encoding = sendrecv`, which needs fewer")]


def _machine(error: OSError, binary: Path) -> Diagnostic:
    reason = (error.strerror or str(error)).lower()
    if error.filename is not None and Path(str(error.filename)).name == binary.name:
        return Diagnostic(BROKE, f"`{binary}` cannot be started: {reason}", help="`moec doctor` says what was found")
    return Diagnostic(NO_ROOM, f"the simulator cannot be run: {reason}", help="its working folder is in TMPDIR")


def free_bytes(place: Path) -> int:
    """Room on the disk that a folder lies on."""
    disk = os.statvfs(place)
    return disk.f_bavail * disk.f_frsize


def _no_room(found: Diagnostic, ended: Ended) -> Diagnostic:
    """What the simulator cannot write it loses without a word, finish lines included."""
    title = f"the disk under the simulator's working folder is full, and {found.title}"
    return quoting(NO_ROOM, title, ended.text.splitlines(), "make room, or set TMPDIR to a folder on another disk")


def _outcome(ended: Ended, folder: TraceFolder, time_limit_s: float, names: Names | None) -> Outcome:
    lines = ended.text.splitlines()
    if ended.how == "time_limit":
        title = f"the simulator was stopped after {time_limit_s:g} s"
        return None, [
            quoting(TOO_LONG, title, lines, "`--time-limit SECONDS`, or `time_limit` in the file, gives it more")
        ]
    if ended.how == "output_limit":
        return None, [quoting(BROKE, "the simulator prints without end and was stopped", lines)]
    if ended.how == "cancelled":
        return None, [quoting(BROKE, "the simulator was stopped", lines)]
    found = verdict(ended.text, ended.code, folder.ranks, ended.wall_s, names)
    return (found, []) if isinstance(found, AstraRun) else (None, [found])
